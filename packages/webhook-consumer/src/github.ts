import {
  conclude,
  hmac,
  missing,
  refuse,
  textSecret,
  type Sign,
  type Verify,
} from "./signature.ts";

// GitHub, "Validating webhook deliveries".

export const keyOf = textSecret;

const signature = (secret: string, body: Uint8Array) =>
  `sha256=${hmac(keyOf(secret), "", body, "hex")}`;

/**
 * The body alone is signed: not the id, and there is no timestamp. Who once saw a delivery can
 * play it again under another id. [CONSUMER-5]
 */
export const verify: Verify = (headers, body, secrets) => {
  const given = headers.get("x-hub-signature-256");
  const id = headers.get("x-github-delivery");
  if (!given) return missing("x-hub-signature-256");
  if (!id) return missing("x-github-delivery");
  if (!given.startsWith("sha256="))
    return refuse("version", "x-hub-signature-256", "must begin with sha256=.");
  const expected = secrets.map((one) => signature(one, body));
  return conclude("x-hub-signature-256", { id, before: "", given: [given], expected });
};

/** GitHub has one secret, so the first one signs. */
export const sign: Sign = ({ id, type, body }, [secret = ""]) => ({
  "x-github-delivery": id,
  "x-github-event": type,
  "x-hub-signature-256": signature(secret, body),
});
