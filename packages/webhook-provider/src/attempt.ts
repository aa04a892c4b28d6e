import { retryAfterMs } from "@tidings/shared/client";
import { judge, portOf, type GuardOptions } from "./address.ts";

/** How one attempt went; kept with the delivery. */
export interface Attempt {
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The answer's status; null when there was no whole answer. */
  readonly status: number | null;
  /** What went wrong, when there was no whole answer. */
  readonly error: string | null;
  /** The beginning of the answer's body. */
  readonly answer: string;
  /** What `Retry-After` asked for, in milliseconds. */
  readonly askedMs: number;
}

export interface AttemptOptions extends GuardOptions {
  /** For the whole exchange: name, connection, headers and body, in milliseconds. Default 15,000. */
  timeoutMs?: number | undefined;
}

const MAX_ANSWER_BYTES = 16_384;

// Connections are kept for the next event to the same name, but not for long: the receiver closes
// its side when it likes. Nothing may lead elsewhere, so no proxy of the environment is asked.
const pool = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: 4 } });

const exchange = async (
  url: URL,
  headers: Record<string, string>,
  body: string,
  options: AttemptOptions,
  signal: AbortSignal,
) => {
  const address = await judge(url, options);
  const host = address.includes(":") ? `[${address}]` : address;
  const target = `${url.protocol}//${host}:${portOf(url)}${url.pathname}${url.search}`;
  const send = (keepalive: boolean) =>
    pool.fetch(target, {
      method: "POST",
      headers: { ...headers, host: url.host, "accept-encoding": "identity" },
      body,
      // A redirect is an answer, and what is compressed stays so: it cannot grow.
      redirect: "manual",
      decompress: false,
      // The certificate must be the name's, although the connection goes to an address. The dot
      // that may end a name is no part of it (RFC 6066, section 3).
      ...(url.hostname === host ? {} : { tls: { serverName: url.hostname.replace(/\.$/, "") } }),
      keepalive,
      signal,
    });
  // A reset before the answer: the receiver may just have closed a kept connection. That was no
  // attempt; it is made on a fresh one.
  const response = await send(true).catch((error) =>
    error.code === "ECONNRESET" && !signal.aborted ? send(false) : Promise.reject(error),
  );
  const answer = decoder.decode(await readAnswer(response));
  const askedMs = retryAfterMs(response.headers.get("retry-after"));
  return { status: response.status, error: null, answer, askedMs };
};

const decoder = new TextDecoder();

/** The beginning of an answer. What is short by its framing is read in one piece. */
const readAnswer = async (response: Response): Promise<Uint8Array> => {
  const { headers } = response;
  const length = Number(headers.get("content-length") ?? Infinity);
  // Chunks know of no length, whatever is said beside them (RFC 9112, section 6.3).
  if (length <= MAX_ANSWER_BYTES && !headers.has("transfer-encoding")) return response.bytes();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    // More is not read: leaving the loop closes the connection.
    if (size >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES);
};

/** Sends one delivery, once. Never throws: whatever happens is the result. [PROVIDER-10] */
export const attempt = async (
  url: URL,
  headers: Record<string, string>,
  body: string,
  options: AttemptOptions = {},
): Promise<Attempt> => {
  const { timeoutMs = 15_000 } = options;
  const at = Date.now();
  const begun = performance.now();
  const clock = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`There was no whole answer within ${timeoutMs} ms.`));
    clock.abort();
  }, timeoutMs);
  const sent = exchange(url, headers, body, options, clock.signal);
  const result = await Promise.race([sent, late]).catch((error: Error) => {
    // The first sentence: what follows are hints for whoever wrote the request.
    const [message = ""] = error.message.split(/(?<=[.?]) /);
    return { status: null, error: message, answer: "", askedMs: 0 };
  });
  clearTimeout(timer);
  return { at, ms: Math.round(performance.now() - begun), ...result };
};
