// What may be wrong with a delivery whose signature matches nothing: pure, and for people who debug.
import { hmac } from "../../packages/webhook-consumer/src/signature.ts";
import { schemes, type Sender } from "../../packages/webhook-consumer/src/verify.ts";

/** A way to do it, and what it is called. */
type Way<Value> = readonly [name: string, value: Value];

/** The header that each scheme's signature stands in. */
const HEADERS: Record<Sender, string> = {
  standard: "webhook-signature",
  github: "x-hub-signature-256",
  stripe: "stripe-signature",
};

const senders = Object.keys(schemes).filter((name): name is Sender => name in HEADERS);

/** Whose delivery it is, by its headers. */
export const senderOf = (headers: Headers): Sender | undefined =>
  senders.find((sender) => headers.has(HEADERS[sender]));

/** The key that a secret may have been taken for. */
const keysOf = (secret: string): readonly Way<string | Uint8Array>[] => {
  const bare = secret.replace(/^whsec_/, "");
  return [
    ["the secret's text, as it stands", secret],
    ["the secret's text without whsec_", bare],
    ["the bytes that the secret is the base64 of", Buffer.from(bare, "base64")],
    ["the secret with a line end behind it", `${secret}\n`],
  ];
};

/** What may have been signed before the body. */
const beforesOf = (id: string, timestamp: string, idInBody: string): readonly Way<string>[] => [
  ["id.timestamp.body", `${id}.${timestamp}.`],
  ["timestamp.body", `${timestamp}.`],
  ["the body alone", ""],
  ["id.body", `${id}.`],
  ["timestamp.id.body", `${timestamp}.${id}.`],
  ["id.timestamp.body, with the id that lies in the body", `${idInBody}.${timestamp}.`],
];

/** What each scheme does, by the names above, and how it writes a signature. */
const RIGHT: Record<Sender, { key: string; signed: string; form: string }> = {
  standard: {
    key: "the bytes that the secret is the base64 of",
    signed: "id.timestamp.body",
    form: "v1,<base64>",
  },
  github: {
    key: "the secret's text, as it stands",
    signed: "the body alone",
    form: "sha256=<hex>",
  },
  stripe: {
    key: "the secret's text, as it stands",
    signed: "timestamp.body",
    form: "t=<seconds>,v1=<hex>",
  },
};

const readId = (body: Uint8Array): string => {
  try {
    const { id }: { id?: unknown } = JSON.parse(Buffer.from(body).toString());
    return `${id}`;
  } catch {
    return "";
  }
};

/** The 32 bytes of a signature, however they are written; undefined when it has no such bytes. */
const digestsOf = (signature: string): readonly string[] => {
  const text = signature.replace(/^(v1,|v1=|sha256=)/, "");
  return [Buffer.from(text, "hex"), Buffer.from(text, "base64")]
    .filter(({ length }) => length === 32)
    .map((bytes) => bytes.toString("hex"));
};

/** Hints in sentences; none when nothing explains it. */
export const guess = (
  scheme: Sender,
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
): readonly string[] => {
  const header = HEADERS[scheme];
  const signature = headers.get(header);
  if (signature === null) {
    const other = senderOf(headers);
    return other ? [`there is a ${HEADERS[other]}: try --scheme ${other}`] : [];
  }
  const given = signature.split(/,(?=v1=)|\s+/).flatMap(digestsOf);
  const [, t = ""] = /(?:^|,)t=(\d+)/.exec(signature) ?? [];
  const timestamp = headers.get("webhook-timestamp") ?? t;
  const id = headers.get("webhook-id") ?? headers.get("x-github-delivery") ?? "";
  for (const [index, secret] of secrets.entries())
    for (const [keyName, key] of keysOf(secret))
      for (const [signed, before] of beforesOf(id, timestamp, readId(body))) {
        if (!given.includes(hmac(key, before, body, "hex"))) continue;
        const right = RIGHT[scheme];
        const hints = [
          ...(keyName === right.key
            ? []
            : [`the key was ${keyName}; ${scheme} takes ${right.key}`]),
          ...(signed === right.signed
            ? []
            : [`signed was ${signed}; ${scheme} signs ${right.signed}`]),
        ];
        return hints.length > 0
          ? hints
          : [`secret ${index + 1} made this signature; ${scheme} writes it ${right.form}`];
      }
  return [];
};
