import {
  conclude,
  hmac,
  MAX_SIGNATURES,
  missing,
  readTimestamp,
  refuse,
  textSecret,
  type Sign,
  type Verify,
} from "./signature.ts";

// Stripe, "Verify webhook signatures manually".

export const keyOf = textSecret;

const NAME = "stripe-signature";

/**
 * `timestamp.body`, signed with the secret's text as it stands, `whsec_` included. The id lies in
 * the body. [CONSUMER-6]
 */
export const verify: Verify = (headers, body, secrets, nowMs = Date.now()) => {
  const header = headers.get(NAME);
  if (!header) return missing(NAME);
  const parts = header.split(",");
  // One for the timestamp.
  if (parts.length > MAX_SIGNATURES + 1)
    return refuse("malformed", NAME, `must list at most ${MAX_SIGNATURES}.`);
  const values = (key: string) =>
    parts.filter((part) => part.startsWith(`${key}=`)).map((part) => part.slice(key.length + 1));
  const [timestamp = "", another] = values("t");
  const seconds = readTimestamp(timestamp);
  // Of two timestamps one would be signed and the other be looked at.
  if (seconds === undefined || another !== undefined)
    return refuse("malformed", NAME, "must have one t=, in whole seconds since 1970.");
  const given = values("v1");
  if (given.length === 0) return refuse("version", NAME, "has no signature of version v1.");
  const before = `${timestamp}.`;
  const expected = secrets.map((one) => hmac(keyOf(one), before, body, "hex"));
  const ageS = Math.floor(nowMs / 1000) - seconds;
  return conclude(NAME, { before, ageS, given, expected });
};

export const sign: Sign = ({ timestamp, body }, secrets) => ({
  [NAME]: [
    `t=${timestamp}`,
    ...secrets.map((one) => `v1=${hmac(keyOf(one), `${timestamp}.`, body, "hex")}`),
  ].join(),
});
