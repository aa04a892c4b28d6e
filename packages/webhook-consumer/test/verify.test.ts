import { describe, expect, test } from "bun:test";
import { checkSecrets, nearMiss, schemes, type Sender } from "../src/verify.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const base64 = (count: number) => Buffer.alloc(count, 7).toString("base64");

const SECRETS: Readonly<Record<Sender, readonly [string, string]>> = {
  standard: [`whsec_${base64(24)}`, `whsec_${base64(64)}`],
  github: ["It's a Secret to Everybody", "another one"],
  stripe: ["whsec_1", "whsec_2"],
};
const NOW_S = 1_700_000_000;
const senders = ["standard", "github", "stripe"] as const;

const deliver = (sender: Sender, body: string, secret: string) =>
  new Headers(
    schemes[sender].sign({ id: "m-1", type: "a.b", timestamp: NOW_S, body: bytes(body) }, [secret]),
  );

describe.each(senders)("the verdict on a delivery of %s", (sender) => {
  const [one, two] = SECRETS[sender];
  const { verify, sign } = schemes[sender];
  const BODY = '{"a":1}';

  test("CONSUMER-3: says which secret signed", () => {
    const headers = deliver(sender, BODY, two);
    expect(verify(headers, bytes(BODY), [one, two], NOW_S * 1000)).toMatchObject({ secret: 1 });
    const none = verify(headers, bytes(BODY), [one], NOW_S * 1000);
    expect(none.refused?.reason).toBe("mismatch");
    expect(none.secret).toBeUndefined();
  });

  test("says which bytes are signed, and what their signature would be", () => {
    const headers = deliver(sender, BODY, two);
    const { before, expected, given } = verify(headers, bytes(BODY), [one], NOW_S * 1000);
    const prefix = { standard: `m-1.${NOW_S}.`, github: "", stripe: `${NOW_S}.` }[sender];
    expect(before).toBe(prefix);
    expect(expected).toHaveLength(1);
    expect(given).toHaveLength(1);
    const right = verify(deliver(sender, BODY, one), bytes(BODY), [one], NOW_S * 1000);
    expect(right.given).toEqual(expected!);
  });

  test("what is for the network holds no signature and no secret", () => {
    const { refused, expected } = verify(
      deliver(sender, BODY, two),
      bytes(BODY),
      [one],
      NOW_S * 1000,
    );
    const told = JSON.stringify(refused);
    for (const secret of [one, two, ...expected!]) expect(told).not.toContain(secret);
  });

  test.each([
    ["a b\n", "a b", "the body with a line end at its end"],
    ["a", "a\r\n", "the body without the line end at its end"],
    ["[1]", "\uFEFF[1]", "the body without its byte order mark"],
    ["a\nb", "a\r\nb", "the body with LF line ends, not CRLF"],
    ["a\r\nb", "a\nb", "the body with CRLF line ends, not LF"],
    ['{"a":1}', '{ "a": 1 }', "the body as JSON.stringify writes it"],
    ['{\n  "a": 1\n}', '{"a":1}', "the body as JSON, indented by two"],
    ["a", "b", undefined],
  ])("a near miss is named: signed %j, came %j", (signed, came, found) => {
    const headers = deliver(sender, signed, one);
    expect(verify(headers, bytes(came), [one], NOW_S * 1000).refused?.reason).toBe("mismatch");
    expect(nearMiss(sender, headers, bytes(came), [one], NOW_S * 1000)).toBe(found);
  });

  test("the verifier takes no secret for all, and changes nothing that it is given", () => {
    const headers = new Headers(
      sign({ id: "m-1", type: "a.b", timestamp: NOW_S, body: bytes(BODY) }, [one]),
    );
    const body = bytes(BODY);
    const [headersBefore, bodyBefore] = [[...headers], [...body]];
    expect(verify(headers, body, [], NOW_S * 1000).refused?.reason).toBe("mismatch");
    expect([...headers]).toEqual(headersBefore);
    expect([...body]).toEqual(bodyBefore);
  });
});

// GitHub signs no time.
test.each(["standard", "stripe"] as const)(
  "the verdict on a delivery of %s says how far off the clock is, and which secret signed",
  (sender) => {
    const [one] = SECRETS[sender];
    for (const [offS, reason] of [
      [301, "old"],
      [-301, "future"],
    ] as const)
      expect(
        schemes[sender].verify(
          deliver(sender, "{}", one),
          bytes("{}"),
          [one],
          (NOW_S + offS) * 1000,
        ),
      ).toMatchObject({ refused: { reason }, ageS: offS, secret: 0 });
  },
);

describe("CONSUMER-3: a secret that cannot be one is named, and not shown", () => {
  test.each([
    ["standard", "", "no secret"],
    ["standard", "whsec_", "only the prefix"],
    ["standard", `whsec_${base64(23)}`, "too short"],
    ["standard", `whsec_${base64(65)}`, "too long"],
    ["standard", `whsec_${base64(32).slice(0, -1)}`, "without its padding"],
    ["standard", `whsec_${base64(32)}\n`, "with a line end"],
    ["standard", ` whsec_${base64(32)}`, "with a blank"],
    ["standard", `whsec_${base64(24).replace("B", "-")}`, "in the other alphabet"],
    ["standard", `whsk_${base64(32)}`, "a private key"],
    ["standard", `whpk_${base64(32)}`, "a public key"],
    ["standard", `whsec_${"A".repeat(42)}B=`, "bits behind its end"],
    ["github", "", "empty"],
    ["github", "secret\n", "a file's line end"],
    ["stripe", "", "empty"],
    ["stripe", " whsec_1", "a blank"],
  ] as const)("%s: %j: %s", (sender, secret) => {
    const good = SECRETS[sender][0];
    expect(() => checkSecrets(sender, [good])).not.toThrow();
    const check = () => checkSecrets(sender, [good, secret]);
    expect(check).toThrow(RangeError);
    expect(check).toThrow(`secrets.${sender}[1]: must be `);
    if (secret.length > 6) expect(check).not.toThrow(secret);
  });
});
