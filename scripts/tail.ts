// Follows a running server through its technique's own client: `bun run tail <technique>`. Events
// and gaps go to stdout, one line each; what happens to the connection goes to stderr.
import { once } from "node:events";
import { GAP, type FeedEvent } from "@tidings/shared";
import type { Note } from "@tidings/shared/client";
import { openTap } from "@tidings/tap";
import { fail, failToRead, onEnd, readArgs } from "./cli.ts";
import { defaultServers, runningServers } from "./servers.ts";
import { clientOf, techniques } from "./techniques.ts";

const usage = `usage: bun run tail <technique> [--after C] [--types a,b] [--json] [--url URL]
  techniques: ${techniques.map(({ name }) => name).join(", ")}`;

const { values, positionals } = readArgs(usage, {
  after: { type: "string" },
  types: { type: "string" },
  json: { type: "boolean", default: false },
  url: { type: "string" },
});

const [name, ...rest] = positionals;
const technique = techniques.find((t) => t.name === name);
if (!technique || rest.length > 0)
  failToRead(`unknown technique ${[name, ...rest].join(" ") || "(none)"}`);
if (values.url !== undefined && !(/^https?:/.test(values.url) && URL.canParse(values.url)))
  fail(`--url must be an http or https URL, not ${JSON.stringify(values.url)}`);

// Of a pair, the half that has the events is the one to follow.
const followed = technique.pair?.server ?? technique.name;
const isFollowed = (server: { name: string }) => server.name === followed;
const url =
  values.url ?? ((await runningServers()).find(isFollowed) ?? defaultServers.find(isFollowed))?.url;
if (!url) fail(`${followed} has no server here; name one with --url`);

const count = { events: 0, gaps: 0, reconnects: 0, requests: 0 };
const stop = new AbortController();
onEnd(() => stop.abort());

// Whoever reads us may have seen enough, as in `| head -3`; the next line then finds nobody.
process.stdout.on("error", () => stop.abort());

const line = async (text: string) => {
  const { isTTY, columns } = process.stdout;
  // On a terminal one event is one line, and a foreign server's text must not steer it.
  const plain = isTTY && !values.json;
  const shown = plain ? Bun.sliceAnsi(text.replace(/\p{Cc}/gu, "\u{fffd}"), 0, columns) : text;
  // While whoever reads us is slow, so are we: what is not read yet waits in the server's feed.
  if (!process.stdout.write(`${shown}\n`))
    await once(process.stdout, "drain", { signal: stop.signal }).catch(() => {});
};

const age = (ms: number) =>
  ms < 1_000
    ? `${ms} ms`
    : ms < 60_000
      ? `${(ms / 1_000).toFixed(1)} s`
      : `${Math.round(ms / 60_000)} min`;

const showEvent = async (event: FeedEvent) => {
  const ageMs = Date.now() - Date.parse(event.time);
  if (event.type === GAP) count.gaps++;
  else count.events++;
  if (values.json) return line(JSON.stringify({ ...event, ageMs }));
  const columns = [event.id, event.type.padEnd(16), age(ageMs).padStart(7)];
  await line(`${columns.join("  ")}  ${JSON.stringify(event.data)}`);
};

// Not console.error: it is red on a terminal, and most of this is no error.
const say = (text: string) => process.stderr.write(`${text}\n`);

let connected: boolean | undefined;
const showNote = (note: Note) => {
  if (note.kind === "request") count.requests++;
  // Clients that poll are told with every answer that all is well.
  if (note.kind === "request" || (note.kind === "open" && connected)) return;
  const back = connected === false;
  if (note.kind === "open" && back) count.reconnects++;
  connected = note.kind === "open" || (connected === undefined ? undefined : false);
  if (values.json) return void say(JSON.stringify(note));
  if (note.kind === "open") return void say(`-- ${back ? "back at" : "following"} ${url}`);
  // Bun's advice to developers is not for those who read here.
  const reason = note.reason.replace(/ For more information.*/, "");
  const what = connected === undefined ? `cannot reach ${url}` : "connection lost";
  say(`-- ${what}, next try in ${note.inMs} ms: ${reason}`);
};

// Taps count what really goes over the wire: one in front of the server and, where the server
// calls back, one in front of our receiver. A host with a name may answer to that name only
// (virtual hosts, certificates), so it is followed directly and its bytes are not counted.
const { protocol, hostname } = new URL(url);
const canTap = protocol === "http:" && /^(localhost|[\d.]+|\[.*\])$/.test(hostname);
const outbound = canTap ? await openTap({ target: url, record: false }) : undefined;
const inbound =
  canTap && technique.pair ? await openTap({ target: url, record: false }) : undefined;

let exitCode = 0;
try {
  const subscribe = await clientOf(technique);
  const options = {
    after: values.after,
    types: values.types?.split(","),
    token: process.env.TIDINGS_TOKEN || undefined,
    signal: stop.signal,
    onNote: showNote,
    publicUrl:
      inbound &&
      ((port: number) => {
        inbound.retarget(`http://127.0.0.1:${port}`);
        return `${inbound.url}/webhooks/standard`;
      }),
  };
  for await (const event of subscribe(outbound?.url ?? url, options)) {
    await showEvent(event);
    if (stop.signal.aborted) break;
  }
} catch (error) {
  exitCode = 1;
  console.error(`tidings: ${error instanceof Error ? error.message : error}`);
}

const received = (outbound?.bytes.down ?? 0) + (inbound?.bytes.up ?? 0);
const sent = (outbound?.bytes.up ?? 0) + (inbound?.bytes.down ?? 0);
const bytes = canTap ? { bytesReceived: received, bytesSent: sent } : {};
const some = (number: number, word: string) =>
  `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
const words = [
  some(count.events, "event"),
  some(count.gaps, "gap"),
  some(count.reconnects, "reconnect"),
  some(count.requests, "request"),
  canTap
    ? `${some(received, "byte")} received, ${sent.toLocaleString("en")} sent`
    : "bytes not counted",
];
if (exitCode === 0)
  say(values.json ? JSON.stringify({ kind: "end", ...count, ...bytes }) : `-- ${words.join(", ")}`);
process.exit(exitCode);
