import type { FeedEvent } from "@tidings/shared";

// Standard Webhooks 1.0.0: what is signed is `id.timestamp.body`, so that neither can be swapped.

const PREFIX = "whsec_";

/** A secret as people see it: `whsec_` and 32 random bytes in base64. */
export const newSecret = (): string =>
  PREFIX + crypto.getRandomValues(new Uint8Array(32)).toBase64();

/**
 * The body of a delivery. It is made once: the bytes that are sent are the bytes that are signed.
 * [PROVIDER-2]
 */
export const encodeBody = ({ type, time, data }: Omit<FeedEvent, "id">): string =>
  JSON.stringify({ type, timestamp: time, data });

/**
 * One signature, `v1,<base64>`. The key is what the secret stands for, not its text.
 * [PROVIDER-3, PROVIDER-4]
 *
 * There is no `v1a`, the ed25519 form: who keeps a secret per receiver gains nothing from it.
 * [PROVIDER-5]
 */
export const sign = (secret: string, id: string, timestamp: number, body: string): string => {
  const key = Uint8Array.fromBase64(secret.slice(PREFIX.length));
  const hmac = new Bun.CryptoHasher("sha256", key).update(`${id}.${timestamp}.${body}`);
  return `v1,${hmac.digest("base64")}`;
};

/**
 * The headers of one attempt. The id is the event's, the same on every attempt; the timestamp, in
 * seconds since 1970, is the attempt's. After a rotation each secret signs. [PROVIDER-1]
 */
export const encodeHeaders = (
  id: string,
  body: string,
  secrets: readonly string[],
  timestamp = Math.floor(Date.now() / 1000),
) => ({
  "content-type": "application/json",
  "webhook-id": id,
  "webhook-timestamp": `${timestamp}`,
  "webhook-signature": secrets.map((secret) => sign(secret, id, timestamp, body)).join(" "),
});
