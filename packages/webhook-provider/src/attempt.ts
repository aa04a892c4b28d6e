import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
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

// Connections are kept for the next event. They are pooled by address, not by name, so that a
// kept one leads where the guard has just looked.
const pool = { keepAlive: true, timeout: 5_000 };
const plain = new http.Agent(pool);
const secure = new https.Agent(pool);

const exchange = async (
  url: URL,
  headers: Record<string, string>,
  body: string,
  options: AttemptOptions,
  signal: AbortSignal,
) => {
  const tls = url.protocol === "https:";
  const host = await Promise.race([judge(url, options), aborted(signal)]);
  // Not fetch: it follows redirects, decompresses what comes, and obeys proxy variables.
  const send = async (agent: http.Agent | false) => {
    const request = (tls ? https : http).request({
      host,
      port: portOf(url),
      path: url.pathname + url.search,
      method: "POST",
      headers: { host: url.host, "content-length": `${Buffer.byteLength(body)}`, ...headers },
      // The certificate must be the name's, although the connection goes to an address.
      ...(tls && !isIP(url.hostname) ? { servername: url.hostname } : {}),
      agent,
      signal,
    });
    const answered = new Promise<http.IncomingMessage | undefined>((resolve, reject) => {
      request.on("response", resolve);
      // A reset on a kept connection: the receiver was closing it at that very moment. That was
      // no attempt.
      request.on("error", (error) =>
        request.reusedSocket && !signal.aborted ? resolve(undefined) : reject(error),
      );
    });
    request.end(body);
    return answered;
  };
  const response = (await send(tls ? secure : plain)) ?? (await send(false));
  if (!response) throw new Error("The connection was lost.");

  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    size += chunk.length;
    // More is not read: leaving the loop destroys the connection.
    if (size >= MAX_ANSWER_BYTES) break;
  }
  const answer = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES));
  const askedMs = retryAfterMs(response.headers["retry-after"] ?? null);
  return { status: response.statusCode ?? null, error: null, answer, askedMs };
};

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
  );

/** Sends one delivery, once. Never throws: whatever happens is the result. */
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
  const late = new Error(`There was no whole answer within ${timeoutMs} ms.`);
  const timer = setTimeout(() => clock.abort(late), timeoutMs);
  const result = await exchange(url, headers, body, options, clock.signal)
    .catch((error: Error) => {
      const { message } = clock.signal.aborted ? late : error;
      return { status: null, error: message, answer: "", askedMs: 0 };
    })
    .finally(() => clearTimeout(timer));
  return { at, ms: Math.round(performance.now() - begun), ...result };
};
