import { checkSignatures, checkTimestamp, hmac, refuse, required } from "./signature.ts";

const keyOf = (secret: string) => Uint8Array.fromBase64(secret.replace(/^whsec_/, ""));

/**
 * Verifies a delivery as Standard Webhooks 1.0.0 says it: `id.timestamp.body`, signed with the
 * bytes that the secret stands for. Returns its id. Throws a 401 problem.
 */
export const verify = (
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
  nowMs = Date.now(),
): string => {
  const id = required(headers, "webhook-id");
  const timestamp = required(headers, "webhook-timestamp");
  const given = required(headers, "webhook-signature").split(" ");
  checkTimestamp("webhook-timestamp", timestamp, nowMs);
  // A list: after a rotation two secrets sign, and versions that are not known here are skipped.
  const known = given.filter((signature) => signature.startsWith("v1,"));
  if (known.length === 0) throw refuse("webhook-signature: has no signature of version v1.");
  const before = `${id}.${timestamp}.`;
  checkSignatures(
    "webhook-signature",
    known,
    secrets.map((secret) => `v1,${hmac(keyOf(secret), before, body, "base64")}`),
  );
  return id;
};
