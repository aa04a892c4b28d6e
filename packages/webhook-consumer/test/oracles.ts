// The official libraries, asked one question each: is this delivery signed with this secret?
import * as octokit from "@octokit/webhooks-methods";
import { setSystemTime } from "bun:test";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import type { Sender } from "../src/verify.ts";

export interface Oracle {
  readonly library: string;
  /** False as well when the library throws. */
  readonly accepts: (
    headers: Headers,
    body: Uint8Array,
    secret: string,
    nowMs: number,
  ) => Promise<boolean>;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

const asked = async (question: () => unknown): Promise<boolean> => {
  try {
    return (await question()) !== false;
  } catch {
    return false;
  }
};

export const oracles: Readonly<Record<Sender, Oracle>> = {
  standard: {
    library: "standardwebhooks",
    accepts(headers, body, secret, nowMs) {
      // It has no other way to be told the time.
      setSystemTime(new Date(nowMs));
      const verdict = asked(() =>
        new Webhook(secret).verify(Buffer.from(body), Object.fromEntries(headers), {
          jsonParse: false,
        }),
      );
      setSystemTime();
      return verdict;
    },
  },
  github: {
    library: "@octokit/webhooks-methods",
    // It takes text only.
    accepts: (headers, body, secret) =>
      asked(() =>
        octokit.verify(secret, utf8.decode(body), headers.get("x-hub-signature-256") ?? ""),
      ),
  },
  stripe: {
    library: "stripe",
    accepts: (headers, body, secret, nowMs) =>
      asked(() =>
        Stripe.webhooks.signature?.verifyHeaderAsync(
          Buffer.from(body),
          headers.get("stripe-signature") ?? "",
          secret,
          300,
          undefined,
          nowMs,
        ),
      ),
  },
};
