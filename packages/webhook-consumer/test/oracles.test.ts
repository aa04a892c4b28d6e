// The official libraries as oracles, over random deliveries: what they sign we accept, what we sign
// they accept, and what they refuse of a spoilt one we refuse. Where they accept too much stands in
// the vectors, each case by its name.
import * as octokit from "@octokit/webhooks-methods";
import { forSeeds, type Random } from "@tidings/shared/random";
import { expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { schemes, SENDERS, type Sender } from "../src/verify.ts";
import { oracles } from "./oracles.ts";

const SEEDS = 150;
const NOW_S = 1_700_000_000;

const CHARACTERS = [...'abc{}[]",:0123 \\/.=+\n\r\t\0é€🙂\uFFFD\u2028'];
const VISIBLE = [..."!#$%&'*+-.^_`|~abcXYZ0123456789,=;: "];

const textOf = ({ int, pick }: Random, from: readonly string[], min: number, max: number) =>
  Array.from({ length: int(min, max) }, () => pick(from)).join("");

const secretOf = (random: Random, sender: Sender): string => {
  const key = Buffer.from(Array.from({ length: random.int(24, 64) }, () => random.int(0, 255)));
  if (sender === "github") return `s${textOf(random, CHARACTERS.slice(0, 16), 0, 99)}s`;
  return `whsec_${key.toString("base64")}`;
};

/** The headers that the library puts above a body. */
const libraries: Record<
  Sender,
  (id: string, body: string, secret: string) => Promise<Record<string, string>>
> = {
  standard: async (id, body, secret) => ({
    "webhook-id": id,
    "webhook-timestamp": `${NOW_S}`,
    "webhook-signature": new Webhook(secret).sign(id, new Date(NOW_S * 1000), body),
  }),
  github: async (id, body, secret) => ({
    "x-github-delivery": id,
    "x-github-event": "push",
    "x-hub-signature-256": await octokit.sign(secret, body),
  }),
  stripe: async (_, payload, secret) => ({
    "stripe-signature": await Stripe.webhooks.generateTestHeaderStringAsync({
      payload,
      secret,
      timestamp: NOW_S,
    }),
  }),
};

/** One change to a delivery. A body's change is a change; a header's may change nothing signed. */
const spoil = (random: Random, headers: Headers, body: Uint8Array) => {
  const { int, pick, chance } = random;
  const spoilt = { headers: new Headers(headers), body: new Uint8Array(body), nowS: NOW_S };
  const names = [...headers.keys()];
  const name = pick(names);
  const value = headers.get(name) ?? "";
  const at = int(0, value.length - 1);
  const kind = pick(["flip", "cut", "swap", "character", "shorten", "drop", "exchange", "clock"]);
  if (kind === "flip") {
    const place = int(0, body.length - 1);
    spoilt.body[place] = (body[place] ?? 0) ^ (1 << int(0, 7));
  } else if (kind === "cut") spoilt.body = body.slice(0, int(0, body.length - 1));
  else if (kind === "swap") spoilt.body = new Uint8Array([...body.slice(1), ...body.slice(0, 1)]);
  else if (kind === "character")
    spoilt.headers.set(name, value.slice(0, at) + pick(VISIBLE) + value.slice(at + 1));
  else if (kind === "shorten")
    spoilt.headers.set(name, chance(0.5) ? value.slice(at) : value.slice(0, at));
  else if (kind === "drop") spoilt.headers.delete(name);
  else if (kind === "exchange") {
    const other = pick(names);
    spoilt.headers.set(name, headers.get(other) ?? "");
    spoilt.headers.set(other, value);
  } else spoilt.nowS += pick([-1, 1]) * int(0, 600);
  return { kind, ...spoilt };
};

test.each(SENDERS)(
  "CONSUMER-3, CONSUMER-5, CONSUMER-6: ours and the official library are of one mind: %s",
  async (sender) => {
    const { accepts } = oracles[sender];
    const { verify, sign } = schemes[sender];
    let spoilt = 0;
    await forSeeds(SEEDS, async (random) => {
      const secret = secretOf(random, sender);
      let other = secretOf(random, sender);
      while (other === secret) other = secretOf(random, sender);
      const id = `m_${random.int(0, 2 ** 31)}`;
      // No library takes an empty body everywhere; and a mark at its beginning is in the vectors.
      const text = textOf(random, CHARACTERS, 1, 400);
      const body = Buffer.from(text);

      // What they sign we accept, whichever of the accepted secrets it was …
      const theirs = new Headers(await libraries[sender](id, text, secret));
      expect(verify(theirs, body, [other, secret], NOW_S * 1000)).toMatchObject({ secret: 1 });
      expect(verify(theirs, body, [other], NOW_S * 1000).refused?.reason).toBe("mismatch");

      // … what we sign they accept, of GitHub's one signature, of the others' each of two …
      const delivery = { id, type: "push", timestamp: NOW_S, body };
      const ours = new Headers(sign(delivery, sender === "github" ? [secret] : [other, secret]));
      expect(await accepts(ours, body, secret, NOW_S * 1000)).toBe(true);

      // … and of what was spoilt we accept nothing that they refuse, and no other body at all.
      for (let n = 0; n < 20; n++) {
        const { kind, headers, body: changed, nowS } = spoil(random, theirs, body);
        const accepted = !verify(headers, changed, [secret], nowS * 1000).refused;
        if (!body.equals(changed)) expect({ kind, accepted }).toEqual({ kind, accepted: false });
        if (accepted) expect(await accepts(headers, changed, secret, nowS * 1000)).toBe(true);
        else spoilt++;
      }
    });
    expect(spoilt).toBeGreaterThan(0);
  },
);
