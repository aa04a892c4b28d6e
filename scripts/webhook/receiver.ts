// What `listen` does with a delivery: pure HTTP in, an answer out, and a line that says why.
import { nearMiss, schemes, type Sender } from "../../packages/webhook-consumer/src/verify.ts";
import { clock, oneLine, shorten } from "./common.ts";
import { senderOf } from "./guess.ts";

export interface ReceiverOptions {
  /** The secrets that count now, by sender. */
  secretsOf: (sender: Sender) => Promise<readonly string[]>;
  /** How many attempts of each event are answered with a failure. */
  failures: number;
  /** The failure's status. */
  status: number;
  /** Where what is accepted is handed on to; default: nowhere. */
  forward?: string | undefined;
  /** Shows headers and body as well. */
  verbose: boolean;
  show: (line: string) => void;
}

const FORWARD_MS = 10_000;
// So many events are known by their ids; then the oldest are forgotten.
const MAX_KNOWN = 10_000;
const SHOWN = 200;

/** Verifies deliveries, answers them, and shows each in a line. */
export const receiver = (options: ReceiverOptions) => {
  const { secretsOf, failures, status, forward, verbose, show } = options;
  /** How often an event was attempted, and whether an attempt was answered with a 2xx. */
  const known = new Map<string, { attempts: number; done: boolean }>();

  const remember = (id: string) => {
    const event = known.get(id) ?? { attempts: 0, done: false };
    known.delete(id);
    known.set(id, event);
    for (const oldest of known.keys()) if (known.size > MAX_KNOWN) known.delete(oldest);
    return event;
  };

  /** Why a delivery is refused; undefined: it is genuine. */
  const judge = async (sender: Sender | undefined, headers: Headers, body: Uint8Array) => {
    if (sender === undefined) return "there is no signature that is known here";
    const secrets = await secretsOf(sender);
    const option = sender === "standard" ? "--secret" : `--${sender}`;
    if (secrets.length === 0) return `no secret for it; give one with ${option}`;
    const { refused } = schemes[sender].verify(headers, body, secrets);
    if (refused?.reason !== "mismatch") return refused?.detail;
    const near = nearMiss(sender, headers, body, secrets);
    return `${refused.detail}${near === undefined ? "" : ` It is that of ${near}.`}`;
  };

  return async (request: Request): Promise<Response> => {
    const body = await request.bytes();
    const { headers } = request;
    const sender = senderOf(headers);
    const { id, type, text } = describe(sender, headers, body);
    const refused = await judge(sender, headers, body);

    const words = [refused === undefined ? "accepted" : `refused: ${refused}`];
    let answer = new Response(`${words}\n`, { status: refused === undefined ? 200 : 401 });
    if (refused === undefined) {
      // What has no id cannot be known again.
      const event = remember(id === "" ? Bun.randomUUIDv7() : `${sender} ${id}`);
      event.attempts++;
      if (event.attempts > 1) words.push(`attempt ${event.attempts}`);
      if (event.done) words.push("duplicate");
      if (event.attempts <= failures) {
        words.push("failed on purpose");
        answer = new Response("failed on purpose\n", { status });
      } else if (forward !== undefined) answer = await handOn(forward, headers, body);
      event.done ||= answer.ok;
    }
    const columns = [sender ?? "unsigned", id, type, words.join(", "), `→ ${answer.status}`, text];
    show([clock(Date.now()), ...columns.map(oneLine).filter(Boolean)].join("  "));
    if (verbose) {
      for (const [name, value] of headers) show(`  ${name}: ${oneLine(value)}`);
      for (const line of ["", ...new TextDecoder().decode(body).split("\n"), ""])
        show(`  ${line.replace(/[^\P{Cc}\t]/gu, "\u{fffd}")}`.trimEnd());
    }
    return answer;
  };
};

const handOn = async (url: string, headers: Headers, body: Uint8Array): Promise<Response> => {
  const forwarded = new Headers(headers);
  for (const name of ["host", "content-length", "connection"]) forwarded.delete(name);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: forwarded,
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(FORWARD_MS),
    });
    return new Response(await response.bytes(), { status: response.status });
  } catch (error) {
    const why = `${url} did not answer: ${error instanceof Error ? error.message : error}`;
    console.error(`tidings: ${why}`);
    return new Response(`${why}\n`, { status: 502 });
  }
};

/** What a delivery says of itself, as far as it can be read; nothing here is verified yet. */
const describe = (sender: Sender | undefined, headers: Headers, body: Uint8Array) => {
  const text = new TextDecoder().decode(body);
  const inBody: { id?: unknown; type?: unknown } = (() => {
    try {
      return Object(JSON.parse(text));
    } catch {
      return {};
    }
  })();
  const id = headers.get("webhook-id") ?? headers.get("x-github-delivery") ?? inBody.id;
  const type = sender === "github" ? headers.get("x-github-event") : inBody.type;
  return { id: asText(id), type: asText(type), text: shorten(text, SHOWN) };
};

const asText = (value: unknown): string => (typeof value === "string" ? value : "");
