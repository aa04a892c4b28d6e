import { timingSafeEqual } from "node:crypto";

// What the three schemes have in common: an HMAC over the raw bytes, compared in constant time.

/** Why a delivery is refused, in a word; the vectors use the same ones. */
export type Reason =
  /** A header that must be there is not. */
  | "missing"
  /** A header is not of the form that the scheme demands. */
  | "malformed"
  /** No signature is of a version that is known here. */
  | "version"
  /** The timestamp lies too far behind our clock … */
  | "old"
  /** … or ahead of it. */
  | "future"
  /** No signature is that of these bytes with one of these secrets. */
  | "mismatch";

/**
 * What a verifier found. Only `refused` is for the network: the rest says which bytes were signed
 * and what their signatures would be, which helps whoever debugs, and whoever forges.
 */
export interface Verdict {
  /** Why it is refused, in a word and in a sentence that names the header. Undefined: verified. */
  readonly refused?: { readonly reason: Reason; readonly detail: string };
  /** The id that the headers carry. */
  readonly id?: string;
  /** What stands before the body in the bytes that are signed. */
  readonly before?: string;
  /** How many seconds our clock is ahead of the signed timestamp. */
  readonly ageS?: number;
  /** The signatures of a known version that came … */
  readonly given?: readonly string[];
  /** … and what each secret would have made. */
  readonly expected?: readonly string[];
  /** Which secret signed, counted from 0. */
  readonly secret?: number;
}

/**
 * Verifies a delivery: its headers, its body as it came, and the secrets that count; several while
 * one is being rotated. Throws a RangeError for a secret that cannot be one.
 */
export type Verify = (
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
  nowMs?: number,
) => Verdict;

/** What a sender says of a delivery, and what it signs. */
export interface Unsigned {
  readonly id: string;
  readonly type: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: Uint8Array;
}

/** The headers that a sender puts above a body, signed with each of the secrets. */
export type Sign = (delivery: Unsigned, secrets: readonly string[]) => Record<string, string>;

/** How far a signed timestamp may be off, in seconds: an old delivery cannot be played again. */
export const TOLERANCE_S = 300;
/** How many signatures one header may list; nobody has so many secrets at a time. */
export const MAX_SIGNATURES = 16;

export const hmac = (
  key: string | Uint8Array,
  before: string,
  body: Uint8Array,
  encoding: "hex" | "base64",
): string => new Bun.CryptoHasher("sha256", key).update(before).update(body).digest(encoding);

/** Takes the same time wherever the difference is. The length is no secret. [CONSUMER-4] */
export const equal = (expected: string, given: string): boolean => {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
};

/** A secret that is a key as it stands. White space at its end is what a file's last line adds. */
export const textSecret = (secret: string): string => {
  if (secret === "" || secret.trim() !== secret)
    throw new RangeError("must be a text without white space around it.");
  return secret;
};

export const refuse = (reason: Reason, name: string, why: string): Verdict => ({
  refused: { reason, detail: `${name}: ${why}` },
});
export const missing = (name: string) => refuse("missing", name, "is missing.");

/**
 * The seconds of a signed timestamp; undefined when it is none. Digits only: a lenient parser
 * takes `1614265330abc` for a number, and then what was signed is not what is checked.
 */
export const readTimestamp = (text: string): number | undefined =>
  /^(0|[1-9]\d{0,11})$/.test(text) ? Number(text) : undefined;

/** The last step of each scheme: is the clock right, and is any signature any secret's? */
export const conclude = (
  name: string,
  found: Verdict & { given: readonly string[]; expected: readonly string[] },
): Verdict => {
  const { ageS = 0, given, expected } = found;
  const index = expected.findIndex((one) => given.some((other) => equal(one, other)));
  const verdict = index < 0 ? found : { ...found, secret: index };
  if (Math.abs(ageS) > TOLERANCE_S) {
    const why = `the signed timestamp is more than ${TOLERANCE_S} seconds off; check both clocks.`;
    return { ...verdict, ...refuse(ageS > 0 ? "old" : "future", name, why) };
  }
  if (index >= 0) return verdict;
  const why = "is not the signature of these bytes with a secret that is known here.";
  return { ...verdict, ...refuse("mismatch", name, why) };
};
