import * as github from "./github.ts";
import type { Sign, Verify } from "./signature.ts";
import * as standard from "./standard.ts";
import * as stripe from "./stripe.ts";

export type { Reason, Sign, Unsigned, Verdict, Verify } from "./signature.ts";

export interface Scheme {
  readonly verify: Verify;
  readonly sign: Sign;
  /** What a secret means to the HMAC. Throws a RangeError for what cannot be a secret. */
  readonly keyOf: (secret: string) => string | Uint8Array;
}

/** How each sender signs. */
export const schemes = { standard, github, stripe } satisfies Record<string, Scheme>;

export type Sender = keyof typeof schemes;
export const SENDERS = ["standard", "github", "stripe"] as const satisfies readonly Sender[];

/** Throws a RangeError that names the first secret that cannot be one, and does not show it. */
export const checkSecrets = (sender: Sender, secrets: readonly string[]): void => {
  if (!Array.isArray(secrets)) throw new RangeError(`secrets.${sender}: must be a list.`);
  for (const [index, secret] of secrets.entries())
    try {
      schemes[sender].keyOf(secret);
    } catch (error) {
      const why = error instanceof RangeError ? error.message : "must be a text.";
      throw new RangeError(`secrets.${sender}[${index}]: ${why}`);
    }
};

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

// What happens to a body on its way to the check, undone or done once more.
const BODIES: readonly (readonly [likely: string, change: (text: string) => string])[] = [
  ["the body without the line end at its end", (text) => text.replace(/\r?\n$/, "")],
  ["the body with a line end at its end", (text) => `${text}\n`],
  ["the body without its byte order mark", (text) => text.replace(/^\uFEFF/, "")],
  ["the body with LF line ends, not CRLF", (text) => text.replaceAll("\r\n", "\n")],
  ["the body with CRLF line ends, not LF", (text) => text.replaceAll(/\r?\n/g, "\r\n")],
  ["the body as JSON.stringify writes it", (text) => JSON.stringify(JSON.parse(text))],
  ["the body as JSON, indented by two", (text) => JSON.stringify(JSON.parse(text), null, 2)],
  ["the body as Python's json.dumps writes it", (text) => spaced(JSON.parse(text))],
];

const spaced = (value: unknown): string =>
  JSON.stringify(value, null, 1).replace(/,\n */g, ", ").replace(/\n */g, "");

/**
 * What would have been verified instead, when a signature matches nothing: the usual changes to a
 * body on its way here. Undefined when none of them explains it. For whoever debugs; a server has
 * no use for it, and must not accept what it finds.
 */
export const nearMiss = (
  sender: Sender,
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
  nowMs?: number,
): string | undefined => {
  const text = utf8.decode(body);
  return BODIES.find(([, change]) => {
    try {
      const changed = new TextEncoder().encode(change(text));
      return schemes[sender].verify(headers, changed, secrets, nowMs).secret !== undefined;
    } catch {
      // Not JSON: then that was not it.
      return false;
    }
  })?.[0];
};
