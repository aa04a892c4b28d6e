import { checkSignatures, checkTimestamp, hmac, refuse, required } from "./signature.ts";

/**
 * Verifies a delivery of Stripe's: `timestamp.body`, signed with the secret's text as it stands,
 * `whsec_` included. Its id lies in the body. Throws a 401 problem.
 */
export const verify = (
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
  nowMs = Date.now(),
): void => {
  const parts = required(headers, "stripe-signature").split(",");
  const values = (key: string) =>
    parts.filter((part) => part.startsWith(`${key}=`)).map((part) => part.slice(key.length + 1));
  const [timestamp, another] = values("t");
  if (timestamp === undefined || another !== undefined)
    throw refuse("stripe-signature: must have one t=<seconds>.");
  checkTimestamp("stripe-signature", timestamp, nowMs);
  const before = `${timestamp}.`;
  checkSignatures(
    "stripe-signature",
    values("v1"),
    secrets.map((secret) => hmac(secret, before, body, "hex")),
  );
};
