// Clients that we did not write, in the shape of ours, so that a `Follower` can follow with them.
import { isFeedEvent, type FeedEvent } from "@tidings/shared";
import { eventsUrl, Inbox, type SubscribeOptions } from "@tidings/shared/client";
import { EventSource } from "eventsource";
import { createParser } from "eventsource-parser";
import { python } from "../../../../scripts/setup.ts";

type Options = Pick<SubscribeOptions, "after" | "signal" | "onNote">;

/** Runs a client until it is told to stop, and passes on what it is given. */
async function* following(
  { signal }: Options,
  start: (inbox: Inbox<FeedEvent>) => () => void,
): AsyncGenerator<FeedEvent, void> {
  const inbox = new Inbox<FeedEvent>(10_000);
  const stop = start(inbox);
  signal?.addEventListener("abort", () => inbox.end());
  try {
    yield* inbox;
  } finally {
    stop();
  }
}

/** npm's `eventsource`: it reconnects by itself, with the id of the last message. */
export const eventSource = (url: string | URL, options: Options = {}) =>
  following(options, (inbox) => {
    const source = new EventSource(eventsUrl(url, options));
    source.onopen = () => options.onNote?.({ kind: "open" });
    source.onerror = ({ message = "" }) =>
      options.onNote?.({ kind: "retry", inMs: 0, reason: message });
    source.onmessage = ({ data, lastEventId }) =>
      inbox.push({ ...JSON.parse(data), id: lastEventId });
    return () => source.close();
  });

/** What the tests use of npm's `ws`. */
interface WsSocket {
  readonly protocol: string;
  on(name: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  on(name: "close", listener: (code: number) => void): void;
  on(name: "error", listener: (error: Error) => void): void;
  close(): void;
}

// Bun puts a stand-in of its own in the place of `ws`; the package itself is found by its path.
const module = new URL("index.js", import.meta.resolve("ws/package.json"));
const { default: Ws }: { default: new (url: string, protocol: string) => WsSocket } = await import(
  module.href
);

const wsUrl = (url: string | URL, options: Options) =>
  `${eventsUrl(url, options)}`.replace(/^http/, "ws");

// The first heartbeat says that the subscription stands.
const readFrame = (text: string, inbox: Inbox<FeedEvent>, { onNote }: Options) => {
  const said: unknown = JSON.parse(text);
  if (isFeedEvent(said)) inbox.push(said);
  else onNote?.({ kind: "open" });
};

/** npm's `ws`. */
export const ws = (url: string | URL, options: Options = {}) =>
  following(options, (inbox) => {
    const socket = new Ws(wsUrl(url, options), "tidings.v1");
    socket.on("message", (data, isBinary) => {
      if (isBinary) inbox.end(new Error("a binary frame"));
      else readFrame(`${data}`, inbox, options);
    });
    socket.on("close", (code) => inbox.end(new Error(`closed with ${code}`)));
    socket.on("error", (error) => inbox.end(error));
    return () => socket.close();
  });

/** A command's output as it comes; the inbox ends with the command. */
const running = (
  command: readonly string[],
  inbox: Inbox<FeedEvent>,
  read: (text: string) => void,
) => {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const follow = async () => {
    const utf8 = new TextDecoder();
    for await (const chunk of child.stdout) read(utf8.decode(chunk, { stream: true }));
    inbox.end(new Error(`${command[0]} ended: ${await child.stderr.text()}`));
  };
  follow().catch((error) => inbox.end(error));
  return () => child.kill();
};

/** Debian's python3-websockets. */
export const pythonWebsockets = (url: string | URL, options: Options = {}) =>
  following(options, (inbox) => {
    let rest = "";
    const script = `${import.meta.dir}/follow.py`;
    return running([python, script, wsUrl(url, options)], inbox, (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) readFrame(line, inbox, options);
    });
  });

/** curl prints the stream as it comes; what reads it is npm's `eventsource-parser`. */
export const curlStream =
  (...flags: readonly string[]) =>
  (url: string | URL, options: Options = {}) =>
    following(options, (inbox) => {
      const parser = createParser({
        onRetry: () => options.onNote?.({ kind: "open" }),
        onEvent: ({ id = "", data }) => inbox.push({ ...JSON.parse(data), id }),
      });
      const command = ["curl", "-sSN", ...flags, `${eventsUrl(url, options)}`];
      return running(command, inbox, (text) => parser.feed(text));
    });

/** One request by curl: `HEADERS\r\n\r\nBODY`, as it came. */
export const curl = async (url: string | URL, ...flags: readonly string[]) => {
  const child = Bun.spawn(["curl", "-sSi", ...flags, `${url}`], {
    stdin: "ignore",
    stdout: "pipe",
  });
  const text = await child.stdout.text();
  const end = text.indexOf("\r\n\r\n");
  const headers = new Map<string, string>();
  const [line = "", ...fields] = text.slice(0, end).split("\r\n");
  for (const field of fields) {
    const colon = field.indexOf(":");
    headers.set(field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim());
  }
  return { status: Number(line.split(" ")[1]), headers, body: text.slice(end + 4) };
};
