import { timingSafeEqual } from "node:crypto";
import { Problem } from "@tidings/shared";

// What the three schemes have in common: an HMAC over the raw bytes, compared in constant time.

/** How far a signed timestamp may be off, in seconds: an old delivery cannot be played again. */
export const TOLERANCE_S = 300;

export const hmac = (
  key: string | Uint8Array,
  before: string,
  body: Uint8Array,
  encoding: "hex" | "base64",
): string => new Bun.CryptoHasher("sha256", key).update(before).update(body).digest(encoding);

/** Takes the same time wherever the difference is. The length is no secret. */
export const equal = (expected: string, given: string): boolean => {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
};

export const refuse = (detail: string) => new Problem(401, detail);

/** A header that must be there. */
export const required = (headers: Headers, name: string): string => {
  const value = headers.get(name);
  if (!value) throw refuse(`${name}: is missing.`);
  return value;
};

/**
 * Checks a signed timestamp, in seconds since 1970. Digits only: a lenient parser would take
 * `1614265330abc` for a number, and what was signed would not be what was checked.
 */
export const checkTimestamp = (name: string, text: string, nowMs: number): void => {
  if (!/^(0|[1-9]\d{0,11})$/.test(text)) throw refuse(`${name}: must be whole seconds since 1970.`);
  const offS = Math.floor(nowMs / 1000) - Number(text);
  if (Math.abs(offS) > TOLERANCE_S)
    throw refuse(`${name}: is more than ${TOLERANCE_S} seconds off; check both clocks.`);
};

/** Whether any of the given signatures is that of any of our secrets. */
export const checkSignatures = (
  name: string,
  given: readonly string[],
  expected: readonly string[],
): void => {
  if (!expected.some((signature) => given.some((one) => equal(signature, one))))
    throw refuse(`${name}: is not the signature of these bytes with a secret that is known here.`);
};
