import { checkSignatures, hmac, required } from "./signature.ts";

/**
 * Verifies a delivery of GitHub's: the body alone is signed. Returns its id, which is not, and
 * there is no timestamp: who once saw a delivery can play it again under another id. Throws a 401
 * problem.
 */
export const verify = (headers: Headers, body: Uint8Array, secrets: readonly string[]): string => {
  const given = required(headers, "x-hub-signature-256");
  checkSignatures(
    "x-hub-signature-256",
    [given],
    secrets.map((secret) => `sha256=${hmac(secret, "", body, "hex")}`),
  );
  return required(headers, "x-github-delivery");
};
