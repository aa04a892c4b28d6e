import {
  conclude,
  hmac,
  MAX_SIGNATURES,
  missing,
  readTimestamp,
  refuse,
  type Sign,
  type Verify,
} from "./signature.ts";

// Standard Webhooks 1.0.0, "Signature scheme".

// 24 to 64 bytes in base64: anything else was cut, or is somebody else's secret.
const SECRET = /^[A-Za-z\d+/]{32,88}={0,2}$/;

/** The key that a secret stands for. Throws a RangeError that does not repeat the secret. */
export const keyOf = (secret: string): Uint8Array => {
  const text = secret.replace(/^whsec_/, "");
  const wrong = new RangeError("must be `whsec_` and 24 to 64 bytes in base64.");
  if (!SECRET.test(text) || text.length % 4 !== 0) throw wrong;
  const key = Buffer.from(text, "base64");
  if (key.length > 64 || key.toString("base64") !== text) throw wrong;
  return key;
};

// An id or a timestamp with a full stop in it would let one signature stand for two deliveries.
const ID = /^[\x21-\x2d\x2f-\x7e]{1,255}$/;

/** `id.timestamp.body`, signed with the bytes that the secret stands for. [CONSUMER-3] */
export const verify: Verify = (headers, body, secrets, nowMs = Date.now()) => {
  const id = headers.get("webhook-id");
  const timestamp = headers.get("webhook-timestamp");
  const signatures = headers.get("webhook-signature");
  if (!id) return missing("webhook-id");
  if (!timestamp) return missing("webhook-timestamp");
  if (!signatures) return missing("webhook-signature");
  if (!ID.test(id))
    return refuse(
      "malformed",
      "webhook-id",
      "must be 1 to 255 characters of ASCII, none of them a full stop.",
    );
  const seconds = readTimestamp(timestamp);
  if (seconds === undefined)
    return refuse("malformed", "webhook-timestamp", "must be whole seconds since 1970.");
  // A list: after a rotation two secrets sign, and versions that are not known here are skipped.
  const list = signatures.split(" ");
  if (list.length > MAX_SIGNATURES)
    return refuse("malformed", "webhook-signature", `must list at most ${MAX_SIGNATURES}.`);
  const given = list.filter((one) => one.startsWith("v1,"));
  if (given.length === 0)
    return refuse("version", "webhook-signature", "has no signature of version v1.");
  const before = `${id}.${timestamp}.`;
  const expected = secrets.map((one) => `v1,${hmac(keyOf(one), before, body, "base64")}`);
  const ageS = Math.floor(nowMs / 1000) - seconds;
  return conclude("webhook-signature", { id, before, ageS, given, expected });
};

export const sign: Sign = ({ id, timestamp, body }, secrets) => ({
  "webhook-id": id,
  "webhook-timestamp": `${timestamp}`,
  "webhook-signature": secrets
    .map((one) => `v1,${hmac(keyOf(one), `${id}.${timestamp}.`, body, "base64")}`)
    .join(" "),
});
