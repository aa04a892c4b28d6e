import { expect, test } from "bun:test";
import { encodeBody, encodeHeaders, newSecret, sign } from "../src/wire.ts";

// The vector that Standard Webhooks publishes.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP = 1614265330;
const BODY = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

test("PROVIDER-4: signs the published vector", () => {
  expect(sign(SECRET, ID, TIMESTAMP, BODY)).toBe(SIGNATURE);
});

test("PROVIDER-1: the headers of an attempt", () => {
  expect(encodeHeaders(ID, BODY, [SECRET], TIMESTAMP)).toEqual({
    "content-type": "application/json",
    "webhook-id": ID,
    "webhook-timestamp": "1614265330",
    "webhook-signature": SIGNATURE,
  });
});

test("PROVIDER-3: during a rotation each secret signs, separated by a space", () => {
  const other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  const signatures = encodeHeaders(ID, BODY, [other, SECRET], TIMESTAMP)["webhook-signature"];
  expect(signatures).toBe(`${sign(other, ID, TIMESTAMP, BODY)} ${SIGNATURE}`);
});

test("PROVIDER-2: the body has type, timestamp and data, and nothing else", () => {
  const event = { id: "1-2", type: "a.b", time: "2026-01-02T03:04:05.678Z", data: { é: [1] } };
  expect(encodeBody(event)).toBe(
    '{"type":"a.b","timestamp":"2026-01-02T03:04:05.678Z","data":{"é":[1]}}',
  );
});

test("PROVIDER-3: what is signed are the bytes of UTF-8, and the timestamp and the id with them", () => {
  const one = sign(SECRET, ID, TIMESTAMP, '{"a":"é"}');
  expect(one).not.toBe(sign(SECRET, ID, TIMESTAMP, '{"a":"e"}'));
  expect(one).not.toBe(sign(SECRET, ID, TIMESTAMP + 1, '{"a":"é"}'));
  expect(one).not.toBe(sign(SECRET, "msg_other", TIMESTAMP, '{"a":"é"}'));
});

test("PROVIDER-3: a secret is whsec_ and 24 to 64 random bytes, a new one each time", () => {
  const secrets = new Set(Array.from({ length: 100 }, newSecret));
  expect(secrets.size).toBe(100);
  for (const secret of secrets) {
    expect(secret).toStartWith("whsec_");
    expect(Uint8Array.fromBase64(secret.slice(6)).length).toBe(32);
  }
});
