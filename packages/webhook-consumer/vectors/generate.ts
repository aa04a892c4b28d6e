// Writes the vectors: `bun packages/webhook-consumer/vectors/generate.ts`. It signs with node's own
// crypto and says by hand what is to be expected, so that it owes nothing to the verifiers.
import { resolve } from "node:path";
import type { Reason } from "../src/verify.ts";
import {
  BODIES,
  bytes,
  CHANGES,
  hmac,
  NOW,
  REPAIRED,
  STRANGE_TIMES,
  type Body,
  type Vector,
  type VectorFile,
} from "./cases.ts";

const JSON_BODY = '{"type":"a.b","timestamp":"2021-02-25T15:02:10.000Z","data":{}}';

type Headers = readonly (readonly [name: string, value: string])[];
interface Parts {
  readonly headers: Headers;
  readonly body?: Body;
  readonly secrets: readonly string[];
  readonly now?: number;
  readonly deviates?: Readonly<Record<string, string>> | undefined;
}

const vector = (
  name: string,
  why: string,
  expect: Vector["expect"],
  { headers, body = JSON_BODY, secrets, now = NOW, deviates }: Parts,
): Vector => ({
  name,
  why,
  now,
  secrets,
  headers,
  body: bytes(body).toString("base64"),
  expect,
  ...(deviates ? { deviates } : {}),
});
const good = (name: string, why: string, parts: Parts, secret = 0) =>
  vector(name, why, { verified: true, secret }, parts);
const bad = (name: string, reason: Reason, why: string, parts: Parts) =>
  vector(name, why, { verified: false, reason }, parts);

const keyBytes = (count: number, seed: number) =>
  Buffer.from(Array.from({ length: count }, (_, n) => (seed + 37 * n) % 256));

// ── Standard Webhooks ───────────────────────────────────────────────────────────────────────────

const standard = (): VectorFile => {
  const lib = (why: string) => ({ standardwebhooks: why });
  const ONE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const TWO = `whsec_${keyBytes(32, 1).toString("base64")}`;
  const OTHER = `whsec_${keyBytes(32, 99).toString("base64")}`;
  const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  const digest = (secret: string, id: string, time: string | number, body: Body) =>
    hmac(Buffer.from(secret.replace("whsec_", ""), "base64"), `${id}.${time}.`, body);
  const sign = (body: Body = JSON_BODY, secret = ONE, id = ID, time: string | number = NOW) =>
    `v1,${digest(secret, id, time, body).digest("base64")}`;
  const headers = (signature: string, id = ID, time: string | number = NOW): Headers => [
    ["webhook-id", id],
    ["webhook-timestamp", `${time}`],
    ["webhook-signature", signature],
  ];
  const right = sign();
  const wrong = sign(JSON_BODY, OTHER);
  const parts = (signature: string, more: Partial<Parts> = {}): Parts => ({
    headers: headers(signature),
    secrets: [ONE],
    ...more,
  });
  const list = (count: number, last: string) =>
    [...Array.from({ length: count - 1 }, () => wrong), last].join(" ");
  const [v, signature = ""] = right.split(",");
  return {
    scheme: "standard",
    about:
      "Standard Webhooks 1.0.0, symmetric. The signature is HMAC-SHA256, in base64, over `id.timestamp.body`; the key is what the base64 behind `whsec_` stands for.",
    secrets: [
      { secret: ONE, valid: true, why: "24 bytes, the fewest" },
      { secret: ONE.slice(6), valid: true, why: "the prefix may be left out" },
      {
        secret: `whsec_${keyBytes(64, 5).toString("base64")}`,
        valid: true,
        why: "64 bytes, the most",
      },
      { secret: "", valid: false, why: "no secret" },
      { secret: "whsec_", valid: false, why: "the prefix alone" },
      { secret: `whsec_${keyBytes(23, 5).toString("base64")}`, valid: false, why: "too short" },
      { secret: `whsec_${keyBytes(65, 5).toString("base64")}`, valid: false, why: "too long" },
      { secret: `${ONE}\n`, valid: false, why: "a file's line end" },
      { secret: TWO.slice(0, -1), valid: false, why: "the padding is cut off" },
      { secret: TWO.slice(0, -5), valid: false, why: "cut in the middle" },
      { secret: ONE.replace("Q", "-"), valid: false, why: "the other alphabet" },
      { secret: ONE.replace("whsec_", "whsk_"), valid: false, why: "a private key's prefix" },
      { secret: ONE.replace("whsec_", "whpk_"), valid: false, why: "a public key's prefix" },
      { secret: `whsec_${"A".repeat(42)}B=`, valid: false, why: "bits behind the last byte" },
    ],
    vectors: [
      good("published", "the example of the specification's own libraries", {
        headers: headers("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        body: '{"test": 2432232314}',
        secrets: [ONE],
      }),
      good(
        "secret without its prefix",
        "`whsec_` only says what it is",
        parts(right, { secrets: [ONE.slice(6)] }),
      ),
      good(
        "rotation: the old secret is known",
        "the sender signs with both",
        parts(`${sign(JSON_BODY, TWO)} ${right}`),
      ),
      good(
        "rotation: the new secret is known",
        "the sender signs with both",
        parts(`${sign(JSON_BODY, TWO)} ${right}`, { secrets: [TWO] }),
      ),
      good(
        "rotation: both are known",
        "the receiver accepts both",
        parts(`${sign(JSON_BODY, TWO)} ${right}`, { secrets: [ONE, TWO] }),
      ),
      good(
        "rotation: the sender has changed already",
        "the second accepted secret signed",
        parts(sign(JSON_BODY, TWO), { secrets: [ONE, TWO] }),
        1,
      ),
      good("versions that are not known", "they are skipped", parts(`v1a,AAAA v2,BBBB x ${right}`)),
      good(
        "two spaces between signatures",
        "an empty entry is of no version",
        parts(`${wrong}  ${right}`),
      ),
      good("sixteen signatures, the last one right", "each counts", parts(list(16, right))),
      good("signature header twice", "lines of one name are joined by a comma and a space", {
        headers: [...headers(right), ["webhook-signature", right]],
        secrets: [ONE],
      }),
      good("other headers, in another order and case", "names of headers have no case", {
        headers: [
          ["X-Other", "1"],
          ["WEBHOOK-SIGNATURE", right],
          ["Webhook-Timestamp", `${NOW}`],
          ["Webhook-Id", ID],
        ],
        secrets: [ONE],
      }),
      good("an id of 255 characters", "the longest", {
        headers: headers(sign(JSON_BODY, ONE, "x".repeat(255)), "x".repeat(255)),
        secrets: [ONE],
      }),
      good("an empty body", "nothing can be signed, too", parts(sign(""), { body: "" })),
      ...BODIES.map(([name, why, body]) =>
        good(
          `body: ${name}`,
          why,
          parts(sign(body), {
            body,
            deviates:
              typeof body === "string"
                ? undefined
                : lib("refuses: it decodes the body before the check"),
          }),
        ),
      ),
      good("300 seconds old", "just inside", parts(right, { now: NOW + 300 })),
      good("300 seconds ahead", "just inside", parts(right, { now: NOW - 300 })),
      bad("301 seconds old", "old", "just outside", parts(right, { now: NOW + 301 })),
      bad("301 seconds ahead", "future", "just outside", parts(right, { now: NOW - 301 })),
      bad(
        "a year old",
        "old",
        "a delivery that is played again",
        parts(right, { now: NOW + 31_536_000 }),
      ),
      bad(
        "of 1970",
        "old",
        "zero is a timestamp",
        parts(sign(JSON_BODY, ONE, ID, 0), {
          headers: headers(sign(JSON_BODY, ONE, ID, 0), ID, 0),
        }),
      ),
      bad("another secret", "mismatch", "signed, but not by who may", parts(wrong)),
      bad("no secret", "mismatch", "nobody is trusted", parts(right, { secrets: [] })),
      bad(
        "the secret's text as the key",
        "mismatch",
        "the key is what the base64 stands for",
        parts(`v1,${hmac(ONE, `${ID}.${NOW}.`, JSON_BODY).digest("base64")}`),
      ),
      bad(
        "the body alone signed",
        "mismatch",
        "id and timestamp are signed as well",
        parts(`v1,${hmac(Buffer.from(ONE.slice(6), "base64"), "", JSON_BODY).digest("base64")}`),
      ),
      ...CHANGES.map(([name, why, signed, came]) =>
        bad(`body changed: ${name}`, "mismatch", why, parts(sign(signed), { body: came })),
      ),
      ...REPAIRED.map(([name, why, signed, came]) =>
        bad(
          `body changed: ${name}`,
          "mismatch",
          why,
          parts(sign(signed), {
            body: came,
            deviates:
              name === "spoilt" ? lib("accepts: it decodes the body before the check") : undefined,
          }),
        ),
      ),
      bad("another id", "mismatch", "the id is signed", {
        headers: headers(right, `${ID}x`),
        secrets: [ONE],
      }),
      bad("another timestamp", "mismatch", "the timestamp is signed", {
        headers: headers(right, ID, NOW + 1),
        secrets: [ONE],
      }),
      ...["webhook-id", "webhook-timestamp", "webhook-signature"].flatMap((name) => [
        bad(`no ${name}`, "missing", "each header is needed", {
          headers: headers(right).filter(([one]) => one !== name),
          secrets: [ONE],
        }),
        bad(`empty ${name}`, "missing", "empty is none", {
          headers: headers(right).map(([one, value]) => [one, one === name ? "" : value]),
          secrets: [ONE],
        }),
      ]),
      bad("id twice", "malformed", "joined they are no id, and which one would it be?", {
        headers: [["webhook-id", ID], ...headers(right)],
        secrets: [ONE],
      }),
      bad("timestamp twice", "malformed", "joined they are no number, and which one would it be?", {
        headers: [["webhook-timestamp", `${NOW}`], ...headers(right)],
        secrets: [ONE],
        deviates: lib("accepts: it reads the number that the joined value begins with"),
      }),
      ...[
        ["msg.1", "a full stop lets one signature stand for two deliveries"],
        [`${ID}.${NOW}`, "a full stop lets one signature stand for two deliveries"],
        ["msg 1", "no blank is a part of an id"],
        ["msg\u00e9", "no character is beyond ASCII"],
        ["x".repeat(256), "too long"],
      ].map(([id = "", why = ""]) =>
        bad(`id: ${id.length > 40 ? `${id.length} characters` : id}`, "malformed", why, {
          headers: headers(sign(JSON_BODY, ONE, id), id),
          secrets: [ONE],
          deviates: lib("accepts: any id will do"),
        }),
      ),
      ...STRANGE_TIMES.flatMap(([time, why, read]) => [
        bad(`timestamp ${time}`, "malformed", why, {
          headers: headers(sign(JSON_BODY, ONE, ID, time), ID, time),
          secrets: [ONE],
        }),
        ...(read === undefined
          ? []
          : [
              bad(`timestamp ${time}, signed as ${read}`, "malformed", why, {
                headers: headers(sign(JSON_BODY, ONE, ID, read), ID, time),
                secrets: [ONE],
                deviates: lib(
                  "accepts: it reads the number that the text begins with, and checks that one's signature",
                ),
              }),
            ]),
      ]),
      bad("a timestamp of another century", "future", "a number, and far away", {
        headers: headers(sign(JSON_BODY, ONE, ID, "161426533000"), ID, "161426533000"),
        secrets: [ONE],
      }),
      bad(
        "signature without a version",
        "version",
        "nothing says how it was made",
        parts(signature),
      ),
      bad("version v2", "version", "not known", parts(`v2,${signature}`)),
      bad(
        "version v1a alone",
        "version",
        "asymmetric; its signature is another one",
        parts(`v1a,${signature}`),
      ),
      bad("version V1", "version", "names of versions have a case", parts(`V1,${signature}`)),
      bad(
        "version v1, with = instead of the comma",
        "version",
        "another scheme's form",
        parts(`v1=${signature}`),
      ),
      bad("version v1 and nothing", "version", "no comma", parts(v ?? "")),
      bad("version v1 and an empty signature", "mismatch", "empty is not equal", parts("v1,")),
      bad("signature cut short", "mismatch", "a part is not the whole", parts(right.slice(0, -5))),
      bad(
        "signature without its padding",
        "mismatch",
        "one signature has one spelling",
        parts(right.slice(0, -1)),
      ),
      bad("signature in the other alphabet", "mismatch", "one signature has one spelling", {
        ...parts(sign("3").replaceAll("+", "-").replaceAll("/", "_"), { body: "3" }),
      }),
      bad(
        "signature in hex",
        "mismatch",
        "another scheme's form",
        parts(`v1,${digest(ONE, ID, NOW, JSON_BODY).digest("hex")}`),
      ),
      bad("signature in quotes", "mismatch", "no quotes in the scheme", parts(`v1,"${signature}"`)),
      bad(
        "signature with one character more",
        "mismatch",
        "longer is not equal",
        parts(`${right}=`),
      ),
      bad("something behind the signature", "mismatch", "a signature ends where it ends", {
        ...parts(`${right},x`),
        deviates: lib("accepts: it drops what follows a second comma"),
      }),
      bad(
        "signatures separated by a comma",
        "mismatch",
        "a list is separated by spaces",
        parts(`${wrong},${right}`),
      ),
      bad(
        "signatures separated by a semicolon",
        "mismatch",
        "a list is separated by spaces",
        parts(`${wrong};${right}`),
      ),
      bad(
        "seventeen signatures, the last one right",
        "malformed",
        "nobody has so many secrets, and each costs a comparison",
        {
          ...parts(list(17, right)),
          deviates: lib("accepts: lists have no bound"),
        },
      ),
      bad(
        "seventeen wrong signatures",
        "malformed",
        "nobody has so many secrets, and each costs a comparison",
        parts(list(17, wrong)),
      ),
      bad("the Svix names of the headers", "missing", "they are another set of headers", {
        headers: headers(right).map(([name, value]) => [name.replace("webhook-", "svix-"), value]),
        secrets: [ONE],
      }),
    ],
  };
};

// ── GitHub ──────────────────────────────────────────────────────────────────────────────────────

const github = (): VectorFile => {
  const lib = (why: string) => ({ "@octokit/webhooks-methods": why });
  const ONE = "It's a Secret to Everybody";
  const TWO = "another secret";
  const sign = (body: Body = JSON_BODY, secret = ONE) =>
    `sha256=${hmac(secret, "", body).digest("hex")}`;
  const headers = (signature: string): Headers => [
    ["X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"],
    ["X-GitHub-Event", "push"],
    ["X-Hub-Signature-256", signature],
  ];
  const right = sign();
  const parts = (signature: string, more: Partial<Parts> = {}): Parts => ({
    headers: headers(signature),
    secrets: [ONE],
    ...more,
  });
  const long = "s".repeat(100);
  return {
    scheme: "github",
    about:
      "GitHub's X-Hub-Signature-256. The signature is HMAC-SHA256, in hex, over the body; the key is the secret's text in UTF-8. No time is signed, so `now` means nothing.",
    secrets: [
      { secret: ONE, valid: true, why: "any text" },
      { secret: "é🙂", valid: true, why: "any text, in UTF-8" },
      { secret: "", valid: false, why: "no secret" },
      { secret: `${ONE}\n`, valid: false, why: "a file's line end" },
      { secret: ` ${ONE}`, valid: false, why: "a blank before it" },
    ],
    vectors: [
      good("published", "the example of GitHub's documentation", {
        headers: headers("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        body: "Hello, World!",
        secrets: [ONE],
      }),
      good(
        "several secrets, the second one signed",
        "while it is being changed",
        parts(sign(JSON_BODY, TWO), { secrets: [ONE, TWO] }),
        1,
      ),
      good(
        "a secret beyond ASCII",
        "the key is its UTF-8",
        parts(sign(JSON_BODY, "é🙂"), { secrets: ["é🙂"] }),
      ),
      good(
        "a secret longer than a block",
        "HMAC hashes it first",
        parts(sign(JSON_BODY, long), { secrets: [long] }),
      ),
      good("headers in another order and case", "names of headers have no case", {
        headers: headers(right)
          .toReversed()
          .map(([name, value]) => [name.toUpperCase(), value]),
        secrets: [ONE],
      }),
      good("SHA-1 beside it, and wrong", "the older header is not looked at", {
        headers: [...headers(right), ["X-Hub-Signature", `sha1=${"0".repeat(40)}`]],
        secrets: [ONE],
      }),
      good(
        "an empty body",
        "nothing can be signed, too",
        parts(sign(""), {
          body: "",
          deviates: lib("throws: a body must not be empty"),
        }),
      ),
      ...BODIES.map(([name, why, body]) =>
        good(
          `body: ${name}`,
          why,
          parts(sign(body), {
            body,
            deviates:
              typeof body === "string"
                ? undefined
                : lib("refuses: it takes text only, and no text has these bytes"),
          }),
        ),
      ),
      bad("another secret", "mismatch", "signed, but not by who may", parts(sign(JSON_BODY, TWO))),
      bad("no secret", "mismatch", "nobody is trusted", parts(right, { secrets: [] })),
      ...CHANGES.map(([name, why, signed, came]) =>
        bad(`body changed: ${name}`, "mismatch", why, parts(sign(signed), { body: came })),
      ),
      ...REPAIRED.map(([name, why, signed, came]) =>
        bad(
          `body changed: ${name}`,
          "mismatch",
          why,
          parts(sign(signed), {
            body: came,
            deviates:
              name === "spoilt"
                ? lib("accepts: it takes text only, so the body was decoded before the check")
                : undefined,
          }),
        ),
      ),
      bad("no signature", "missing", "unsigned", {
        headers: headers(right).slice(0, 2),
        secrets: [ONE],
      }),
      bad("empty signature", "missing", "empty is none", parts("")),
      bad("SHA-1 alone", "missing", "the older header is not looked at", {
        headers: [...headers(right).slice(0, 2), ["X-Hub-Signature", `sha1=${"0".repeat(40)}`]],
        secrets: [ONE],
      }),
      bad("no delivery", "missing", "without an id nobody can tell duplicates", {
        headers: headers(right).slice(1),
        secrets: [ONE],
        deviates: lib("accepts: it looks at nothing but the signature"),
      }),
      bad(
        "signature without its algorithm",
        "version",
        "nothing says how it was made",
        parts(right.slice(7)),
      ),
      bad("algorithm sha1", "version", "not taken", parts(right.replace("sha256", "sha1"))),
      bad("algorithm sha512", "version", "not known", parts(right.replace("sha256", "sha512"))),
      bad(
        "algorithm SHA256",
        "version",
        "names of algorithms have a case",
        parts(right.replace("sha256", "SHA256")),
      ),
      bad(
        "algorithm v1",
        "version",
        "another scheme's form",
        parts(right.replace("sha256=", "v1,")),
      ),
      bad(
        "signature in capitals",
        "mismatch",
        "one signature has one spelling",
        parts(`sha256=${right.slice(7).toUpperCase()}`),
      ),
      bad(
        "signature in base64",
        "mismatch",
        "another scheme's form",
        parts(`sha256=${hmac(ONE, "", JSON_BODY).digest("base64")}`),
      ),
      bad("signature cut short", "mismatch", "a part is not the whole", parts(right.slice(0, -1))),
      bad(
        "signature with one character more",
        "mismatch",
        "longer is not equal",
        parts(`${right}0`),
      ),
      bad(
        "signature empty behind its algorithm",
        "mismatch",
        "empty is not equal",
        parts("sha256="),
      ),
      bad(
        "a blank behind the algorithm",
        "mismatch",
        "no blank in the scheme",
        parts(right.replace("=", "= ")),
      ),
      bad(
        "two signatures",
        "mismatch",
        "the scheme has one",
        parts(`sha256=${"0".repeat(64)},${right}`),
      ),
      bad("signature header twice", "mismatch", "joined they are no signature", {
        headers: [...headers(right), ["X-Hub-Signature-256", right]],
        secrets: [ONE],
      }),
      bad(
        "a very long signature",
        "mismatch",
        "longer is not equal",
        parts(`sha256=${"0".repeat(4_096)}`),
      ),
    ],
  };
};

// ── Stripe ──────────────────────────────────────────────────────────────────────────────────────

const stripe = (): VectorFile => {
  const lib = (why: string) => ({ stripe: why });
  const ONE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const TWO = "whsec_another";
  const digest = (
    body: Body = JSON_BODY,
    secret: string | Uint8Array = ONE,
    time: string | number = NOW,
  ) => hmac(secret, `${time}.`, body).digest("hex");
  const header = (value: string): Headers => [["Stripe-Signature", value]];
  const right = digest();
  const wrong = digest(JSON_BODY, TWO);
  const parts = (value: string, more: Partial<Parts> = {}): Parts => ({
    headers: header(value),
    secrets: [ONE],
    ...more,
  });
  const signed = (body: Body) => parts(`t=${NOW},v1=${digest(body)}`, { body });
  const list = (count: number) =>
    `t=${NOW},${Array.from({ length: count - 1 }, () => `v1=${wrong},`).join("")}v1=${right}`;
  return {
    scheme: "stripe",
    about:
      "Stripe's Stripe-Signature, v1. The signature is HMAC-SHA256, in hex, over `timestamp.body`; the key is the secret's text as it stands, `whsec_` included.",
    secrets: [
      { secret: ONE, valid: true, why: "any text" },
      { secret: "", valid: false, why: "no secret" },
      { secret: `${ONE}\n`, valid: false, why: "a file's line end" },
      { secret: ` ${ONE}`, valid: false, why: "a blank before it" },
    ],
    vectors: [
      good("plain", "one timestamp, one signature", parts(`t=${NOW},v1=${right}`)),
      good(
        "rotation: two signatures",
        "the sender signs with both secrets",
        parts(`t=${NOW},v1=${wrong},v1=${right}`),
      ),
      good(
        "rotation: two secrets, the second one signed",
        "the receiver accepts both",
        parts(`t=${NOW},v1=${wrong}`, { secrets: [ONE, TWO] }),
        1,
      ),
      good(
        "v0 beside it",
        "it is of test mode, and skipped",
        parts(`t=${NOW},v1=${right},v0=${wrong}`),
      ),
      good(
        "parts that are not known",
        "they are skipped",
        parts(`x=1,y,t=${NOW},v2=z,v1=${right}`),
      ),
      good(
        "the signature before the timestamp",
        "the parts have no order",
        parts(`v1=${right},t=${NOW}`),
      ),
      good("sixteen signatures, the last one right", "each counts", parts(list(16))),
      good("header in another case", "names of headers have no case", {
        headers: [["STRIPE-SIGNATURE", `t=${NOW},v1=${right}`]],
        secrets: [ONE],
      }),
      good("header twice", "lines of one name are joined by a comma and a space", {
        headers: [...header(`t=${NOW},v1=${right}`), ...header(`t=${NOW},v1=${right}`)],
        secrets: [ONE],
      }),
      good("an empty body", "nothing can be signed, too", signed("")),
      ...BODIES.map(([name, why, body]) =>
        good(`body: ${name}`, why, {
          ...signed(body),
          deviates:
            typeof body === "string" && !body.startsWith("\uFEFF")
              ? undefined
              : lib("refuses: it decodes the body before the check"),
        }),
      ),
      good("300 seconds old", "just inside", parts(`t=${NOW},v1=${right}`, { now: NOW + 300 })),
      good("300 seconds ahead", "just inside", parts(`t=${NOW},v1=${right}`, { now: NOW - 300 })),
      bad(
        "301 seconds old",
        "old",
        "just outside",
        parts(`t=${NOW},v1=${right}`, { now: NOW + 301 }),
      ),
      bad("301 seconds ahead", "future", "just outside", {
        ...parts(`t=${NOW},v1=${right}`, { now: NOW - 301 }),
        deviates: lib("accepts: a timestamp may lie in the future, however far"),
      }),
      bad("a year ahead", "future", "it could be played again for a year", {
        ...parts(`t=${NOW},v1=${right}`, { now: NOW - 31_536_000 }),
        deviates: lib("accepts: a timestamp may lie in the future, however far"),
      }),
      bad(
        "another secret",
        "mismatch",
        "signed, but not by who may",
        parts(`t=${NOW},v1=${wrong}`),
      ),
      bad(
        "no secret",
        "mismatch",
        "nobody is trusted",
        parts(`t=${NOW},v1=${right}`, { secrets: [] }),
      ),
      bad(
        "the secret decoded",
        "mismatch",
        "the key is the secret's text",
        parts(`t=${NOW},v1=${digest(JSON_BODY, Buffer.from(ONE.slice(6), "base64"))}`),
      ),
      bad(
        "the secret without its prefix",
        "mismatch",
        "the key is the secret's whole text",
        parts(`t=${NOW},v1=${digest(JSON_BODY, ONE.slice(6))}`),
      ),
      bad(
        "the body alone signed",
        "mismatch",
        "the timestamp is signed as well",
        parts(`t=${NOW},v1=${hmac(ONE, "", JSON_BODY).digest("hex")}`),
      ),
      ...CHANGES.map(([name, why, was, came]) =>
        bad(`body changed: ${name}`, "mismatch", why, {
          ...signed(was),
          body: came,
          deviates:
            name === "a byte order mark added"
              ? lib("accepts: decoding the body takes the mark away")
              : undefined,
        }),
      ),
      ...REPAIRED.map(([name, why, was, came]) =>
        bad(`body changed: ${name}`, "mismatch", why, {
          ...signed(was),
          body: came,
          deviates:
            name === "spoilt" ? lib("accepts: it decodes the body before the check") : undefined,
        }),
      ),
      bad(
        "another timestamp",
        "mismatch",
        "the timestamp is signed",
        parts(`t=${NOW + 1},v1=${right}`),
      ),
      bad("no header", "missing", "unsigned", { headers: [], secrets: [ONE] }),
      bad("empty header", "missing", "empty is none", parts("")),
      bad("no timestamp", "malformed", "without one nothing can be checked", parts(`v1=${right}`)),
      bad(
        "two timestamps, the first one signed",
        "malformed",
        "which one would be checked?",
        parts(`t=${NOW},t=${NOW + 1},v1=${right}`),
      ),
      bad("two timestamps, the last one signed", "malformed", "which one would be checked?", {
        ...parts(`t=1,t=${NOW},v1=${right}`),
        deviates: lib("accepts: the last one counts"),
      }),
      ...STRANGE_TIMES.filter(([time]) => !time.includes(",")).flatMap(([time, why, read]) => [
        bad(`timestamp ${time}`, "malformed", why, {
          ...parts(`t=${time},v1=${digest(JSON_BODY, ONE, time)}`),
          deviates: ["NaN", `${NOW}000`].includes(time)
            ? lib("accepts: only what is too old is refused, and neither the future nor NaN is")
            : undefined,
        }),
        ...(read === undefined
          ? []
          : [
              bad(`timestamp ${time}, signed as ${read}`, "malformed", why, {
                ...parts(`t=${time},v1=${digest(JSON_BODY, ONE, read)}`),
                deviates: lib(
                  "accepts: it reads the number that the text begins with, and checks that one's signature",
                ),
              }),
            ]),
      ]),
      bad("v0 alone", "version", "it is of test mode", parts(`t=${NOW},v0=${right}`)),
      bad("V1", "version", "names of versions have a case", parts(`t=${NOW},V1=${right}`)),
      bad(
        "a blank behind the comma",
        "version",
        "no blank in the scheme",
        parts(`t=${NOW}, v1=${right}`),
      ),
      bad(
        "a colon instead of =",
        "version",
        "not the scheme's form",
        parts(`t=${NOW},v1:${right}`),
      ),
      bad("signature empty", "mismatch", "empty is not equal", parts(`t=${NOW},v1=`)),
      bad(
        "signature in capitals",
        "mismatch",
        "one signature has one spelling",
        parts(`t=${NOW},v1=${right.toUpperCase()}`),
      ),
      bad(
        "signature in base64",
        "mismatch",
        "another scheme's form",
        parts(`t=${NOW},v1=${hmac(ONE, `${NOW}.`, JSON_BODY).digest("base64")}`),
      ),
      bad(
        "signature cut short",
        "mismatch",
        "a part is not the whole",
        parts(`t=${NOW},v1=${right.slice(0, -1)}`),
      ),
      bad(
        "signature with one character more",
        "mismatch",
        "longer is not equal",
        parts(`t=${NOW},v1=${right}0`),
      ),
      bad("something behind the signature", "mismatch", "a signature ends where it ends", {
        ...parts(`t=${NOW},v1=${right}=x`),
        deviates: lib("accepts: it drops what follows a second ="),
      }),
      bad(
        "seventeen signatures, the last one right",
        "malformed",
        "nobody has so many secrets, and each costs a comparison",
        {
          ...parts(list(17)),
          deviates: lib("accepts: lists have no bound"),
        },
      ),
    ],
  };
};

export const files = { standard, github, stripe };

/** A file's text, as the formatter leaves it. */
export const render = async (file: VectorFile): Promise<string> => {
  const formatter = Bun.spawn([process.execPath, "fmt", "--stdin-filepath", "vectors.json"], {
    cwd: import.meta.dir,
    stdin: new Blob([JSON.stringify(file, null, 2)]),
  });
  const text = await formatter.stdout.text();
  if ((await formatter.exited) !== 0) throw new Error("bun fmt failed.");
  return text;
};

if (import.meta.main)
  for (const [name, make] of Object.entries(files))
    await Bun.write(resolve(import.meta.dir, `${name}.json`), await render(make()));
