import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import * as github from "../src/github.ts";
import * as standard from "../src/standard.ts";
import type { Verdict } from "../src/signature.ts";
import * as stripe from "../src/stripe.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What a verifier refuses with; `verified` when it does not. */
const verdict = ({ refused }: Verdict): string => refused?.detail ?? "verified";

describe("Standard Webhooks", () => {
  const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  const NOW = 1614265330_000;
  const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const BODY = '{"test": 2432232314}';
  const HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": SIGNATURE,
  };
  const check = (
    headers: Record<string, string> = {},
    { body = bytes(BODY), secrets = [SECRET], now = NOW } = {},
  ) => verdict(standard.verify(new Headers({ ...HEADERS, ...headers }), body, secrets, now));

  test("the published vector is verified, and gives its id", () => {
    expect(standard.verify(new Headers(HEADERS), bytes(BODY), [SECRET], NOW)).toMatchObject({
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      secret: 0,
    });
  });

  test("the README's example is verified with the secret that stands below it", async () => {
    const readme = await Bun.file(`${import.meta.dir}/../README.md`).text();
    const [, head = "", body = ""] =
      /^POST \/webhooks\/standard HTTP\/1.1\n([^]*?)\n\n(.*)\n```$/m.exec(readme) ?? [];
    const [secret = ""] = /whsec_[\w+/]+/.exec(readme) ?? [];
    const headers = new Headers(
      head.split("\n").map((line): [string, string] => {
        const [name = "", value = ""] = line.split(": ");
        return [name, value];
      }),
    );
    const now = Number(headers.get("webhook-timestamp")) * 1000;
    expect(verdict(standard.verify(headers, bytes(body), [secret], now))).toBe("verified");
  });

  test("CONSUMER-3: any listed v1 signature counts, others are skipped", () => {
    const wrong = `v1,${"A".repeat(43)}=`;
    expect(check({ "webhook-signature": `${wrong} ${SIGNATURE}` })).toBe("verified");
    expect(check({ "webhook-signature": `v1a,AAAA v2,BBBB ${SIGNATURE}` })).toBe("verified");
    expect(check({ "webhook-signature": wrong })).toStartWith("webhook-signature: is not");
  });

  test("CONSUMER-3: any accepted secret counts, with or without its prefix", () => {
    expect(check({}, { secrets: [OTHER, SECRET] })).toBe("verified");
    expect(check({}, { secrets: [SECRET.replace("whsec_", "")] })).toBe("verified");
    expect(check({}, { secrets: [OTHER] })).toStartWith("webhook-signature: is not");
    expect(check({}, { secrets: [] })).toStartWith("webhook-signature: is not");
  });

  test("CONSUMER-3: the timestamp may be 300 seconds off, and not 301", () => {
    for (const offS of [-300, -1, 0, 1, 300])
      expect(check({}, { now: NOW + offS * 1000 })).toBe("verified");
    for (const offS of [-301, 301, 86_400])
      expect(check({}, { now: NOW + offS * 1000 })).toStartWith(
        "webhook-signature: the signed timestamp is more than",
      );
  });

  for (const timestamp of [
    "1614265330abc",
    "1614265330.0",
    "+1614265330",
    "-1614265330",
    "0x60378b32",
    "1.614265330e9",
    "01614265330",
    "NaN",
    "1614265330 1",
    "１６１４２６５３３０",
  ])
    test(`CONSUMER-3: ${timestamp} is no timestamp`, () => {
      const key = Uint8Array.fromBase64(SECRET.slice(6));
      const signed = `${HEADERS["webhook-id"]}.${timestamp}.${BODY}`;
      const signature = createHmac("sha256", key).update(signed).digest("base64");
      const headers = new Headers(HEADERS);
      // Headers cannot carry every text; what they refuse is malformed anyway.
      try {
        headers.set("webhook-timestamp", timestamp);
      } catch {
        headers.set("webhook-timestamp", "x");
      }
      headers.set("webhook-signature", `v1,${signature}`);
      expect(verdict(standard.verify(headers, bytes(BODY), [SECRET], NOW))).toBe(
        "webhook-timestamp: must be whole seconds since 1970.",
      );
    });

  for (const [what, signature] of [
    ["of no version", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="],
    ["of another version", SIGNATURE.replace("v1", "v2")],
    ["of the asymmetric version", SIGNATURE.replace("v1", "v1a")],
    ["in capitals", SIGNATURE.replace("v1", "V1")],
    ["cut short", SIGNATURE.slice(0, -1)],
    ["empty", "v1,"],
    ["in the other alphabet", SIGNATURE.replace("+", "-").replace("/", "_")],
    ["joined by a comma", `v1,AAAA,${SIGNATURE}`],
    ["with something behind it", `${SIGNATURE},x`],
  ] as const)
    test(`a signature ${what} is refused`, () => {
      expect(check({ "webhook-signature": signature })).toStartWith("webhook-signature: ");
    });

  test("each header is needed", () => {
    for (const name of Object.keys(HEADERS)) {
      const headers = new Headers(HEADERS);
      headers.delete(name);
      expect(verdict(standard.verify(headers, bytes(BODY), [SECRET], NOW))).toBe(
        `${name}: is missing.`,
      );
    }
  });

  test("CONSUMER-1: what is signed are the bytes: the same JSON spelt anew is refused", () => {
    const anew = bytes(JSON.stringify(JSON.parse(BODY)));
    expect(check({}, { body: anew })).toStartWith("webhook-signature: is not");
    expect(check({ "webhook-id": "msg_other" })).toStartWith("webhook-signature: is not");
    expect(check({ "webhook-timestamp": "1614265331" })).toStartWith("webhook-signature: is not");
  });

  test("CONSUMER-1: bytes that are not UTF-8 are never repaired", () => {
    const key = Uint8Array.fromBase64(SECRET.slice(6));
    const signatureOf = (body: Uint8Array) => {
      const hmac = createHmac("sha256", key).update(`${HEADERS["webhook-id"]}.1614265330.`);
      return { "webhook-signature": `v1,${hmac.update(body).digest("base64")}` };
    };
    const broken = new Uint8Array([0x22, 0xff, 0xfe, 0x22]);
    const repaired = bytes(new TextDecoder().decode(broken));
    expect(check(signatureOf(broken), { body: broken })).toBe("verified");
    expect(check(signatureOf(repaired), { body: broken })).toStartWith("webhook-signature: is not");
  });
});

describe("GitHub", () => {
  const SECRET = "It's a Secret to Everybody";
  const SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const check = (signature: string, body = "Hello, World!", secrets = [SECRET]) =>
    verdict(
      github.verify(
        new Headers({ "x-hub-signature-256": signature, "x-github-delivery": "72d3162e" }),
        bytes(body),
        secrets,
      ),
    );

  test("CONSUMER-5: the published vector is verified", () => {
    expect(check(SIGNATURE)).toBe("verified");
    expect(check(SIGNATURE, "Hello, World!", ["other", SECRET])).toBe("verified");
  });

  test("CONSUMER-5: anything else is not", () => {
    const bad = "x-hub-signature-256: is not the signature of these bytes";
    expect(check(SIGNATURE, "Hello, World")).toStartWith(bad);
    expect(check(SIGNATURE, "Hello, World!", ["other"])).toStartWith(bad);
    expect(check(SIGNATURE.toUpperCase().replace("SHA", "sha"))).toStartWith(bad);
    for (const other of ["", "sha1=", "SHA256="])
      expect(check(SIGNATURE.replace("sha256=", other))).toBe(
        "x-hub-signature-256: must begin with sha256=.",
      );
    expect(check(SIGNATURE.slice(0, -1))).toStartWith(bad);
    expect(check("")).toBe("x-hub-signature-256: is missing.");
  });
});

describe("Stripe", () => {
  const SECRET = "whsec_dGVzdCBzZWNyZXQ=";
  const T = 1_700_000_000;
  const BODY = '{"id":"evt_1"}';
  const sign = (t: number | string, secret = SECRET, body = BODY) =>
    createHmac("sha256", secret).update(`${t}.${body}`).digest("hex");
  const check = (header: string, { now = T * 1000, secrets = [SECRET], body = BODY } = {}) =>
    verdict(stripe.verify(new Headers({ "stripe-signature": header }), bytes(body), secrets, now));

  test("CONSUMER-6: a fixed vector: the key is the secret's text, prefix and all", () => {
    const v1 = "3a64c8c82d2861147e754917b11b5aa3dc963c6c05649372be25d68369be8e6d";
    expect(sign(T)).toBe(v1);
    expect(check(`t=${T},v1=${v1}`)).toBe("verified");
  });

  test("CONSUMER-6: one of several v1 signatures is enough; v0 does not count", () => {
    const good = sign(T);
    expect(check(`t=${T},v1=${"0".repeat(64)},v1=${good},v0=x`)).toBe("verified");
    expect(check(`t=${T},v0=${good}`)).toBe("stripe-signature: has no signature of version v1.");
    expect(check(`t=${T},v1=${good}`, { secrets: ["whsec_other", SECRET] })).toBe("verified");
  });

  test("CONSUMER-6: another key, body or time is refused", () => {
    const decoded = Buffer.from("dGVzdCBzZWNyZXQ=", "base64").toString();
    expect(check(`t=${T},v1=${sign(T, decoded)}`)).toStartWith("stripe-signature: is not");
    expect(check(`t=${T},v1=${sign(T)}`, { body: `${BODY} ` })).toStartWith("stripe-signature: is");
    expect(check(`t=${T + 1},v1=${sign(T)}`)).toStartWith("stripe-signature: is not");
  });

  test("CONSUMER-6: a timestamp more than 300 seconds off is refused, and so is a strange one", () => {
    const header = `t=${T},v1=${sign(T)}`;
    expect(check(header, { now: (T + 300) * 1000 })).toBe("verified");
    expect(check(header, { now: (T + 301) * 1000 })).toStartWith(
      "stripe-signature: the signed timestamp is more than",
    );
    expect(check(header, { now: (T - 301) * 1000 })).toStartWith(
      "stripe-signature: the signed timestamp is more than",
    );
    for (const t of [`${T}abc`, `${T}.5`, "", " 1"])
      expect(check(`t=${t},v1=${sign(t)}`)).toBe(
        "stripe-signature: must have one t=, in whole seconds since 1970.",
      );
    expect(check(`v1=${sign(T)}`)).toBe(
      "stripe-signature: must have one t=, in whole seconds since 1970.",
    );
    expect(check(`t=${T},t=${T},v1=${sign(T)}`)).toBe(
      "stripe-signature: must have one t=, in whole seconds since 1970.",
    );
  });
});
