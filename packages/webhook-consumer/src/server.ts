import { Problem, type FeedEvent } from "@tidings/shared";
import { BackOff, pause } from "@tidings/shared/client";
import {
  checkOptions,
  contract,
  encodePage,
  readBody,
  readLimit,
  readQuery,
  type ServerOptions,
} from "@tidings/shared/server";
import { Inbox, type InboxOptions } from "./inbox.ts";
import { Registration } from "./registration.ts";
import { receive as verifyAndRead } from "./senders.ts";
import { checkSecrets, type Sender } from "./verify.ts";

/** A sender's secrets, or where to get them; several while one is being rotated. */
export type Secrets = readonly string[] | (() => Promise<readonly string[]>);

export interface Options extends ServerOptions, InboxOptions {
  /** The secrets of each sender. Default: none, and everything is refused. */
  secrets?: { readonly [sender in Sender]?: Secrets } | undefined;
  /**
   * Given each verified event once, before its sender is told that it arrived. When it throws, the
   * sender will try again. Default: nothing; `GET /events` shows what arrived.
   */
  onEvent?: ((event: FeedEvent, sender: Sender) => unknown) | undefined;
  /** After so long a sender is told to come back for the outcome, in ms. Default 10,000. */
  answerMs?: number | undefined;
  /** A provider's URL: this server registers there while it runs. Default: none. */
  provider?: string | undefined;
  /** Sent to that provider as a bearer token. */
  providerToken?: string | undefined;
  /** Where that provider reaches this server. Default: the address that it listens on. */
  publicUrl?: string | undefined;
}

const SENDERS = ["standard", "github", "stripe"] as const;
// How often a registration is looked after.
const CHECK_MS = 5_000;

export const server = (options: Options) => {
  const { secrets = {}, onEvent, answerMs = 10_000, maxBodyBytes = 65_536 } = options;
  const { provider, providerToken, publicUrl, signal, waitUntil } = options;
  checkOptions(options, {
    answerMs: { min: 1, max: 2 ** 31 - 1 },
    keepMs: { min: 0 },
    maxKept: { min: 1, whole: true },
  });
  const { app, feed, stats, accept, reply, replyJson } = contract("webhook-consumer", {
    ...options,
    selfAuthorized: "/webhooks/",
  });
  const inbox = new Inbox(options);
  const registration =
    provider === undefined ? undefined : new Registration(provider, providerToken);

  const receive = async (request: Request, sender: Sender) => {
    // 1. accept: the raw bytes, bounded, and untouched: what was signed is not what a parser
    // would make of it.
    accept(request);
    const body = await readBody(request, maxBodyBytes);

    // 2. authorize: the signature does it. Only then the body is looked at.
    const event = verifyAndRead(sender, request.headers, body, await secretsOf(sender));

    // 3. resume: the provider has our place, and brings again whatever we did not answer with a
    // 2xx. So an event may come twice, and the inbox knows which ones came.
    const outcome = inbox.once(`${sender} ${event.id}`, async () => {
      // 4. hand over: what was missed and what is new come in the same way.
      // 5. deliver: to whoever runs this server, and into its own feed, each as it arrived.
      await onEvent?.(event, sender);
      feed.publish(`webhook.${sender}`, { ...event });
      stats.delivered++;
    });

    // 6. heartbeat: none comes. To a consumer a dead provider is as quiet as one without news;
    // only asking it tells them apart.

    // 7. slow reader: that is us, now. A provider does not wait for long, so it is told to come
    // back for the outcome; the work goes on meanwhile, and is not done again.
    const fresh = await inTime(outcome);
    return replyJson(request, { id: event.id, duplicate: !fresh });
  };

  const secretsOf = async (sender: Sender): Promise<readonly string[]> => {
    const known = secrets[sender] ?? [];
    const own = typeof known === "function" ? await known() : known;
    const theirs = sender === "standard" ? await registration?.secrets() : undefined;
    return [...own, ...(theirs ?? [])];
  };
  const inTime = async <Outcome>(outcome: Promise<Outcome>): Promise<Outcome> => {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = new Problem(503, "event: is still being processed.", { "retry-after": "5" });
    const timer = setTimeout(reject, answerMs, late);
    // Nobody may be listening any more when the work fails at last.
    outcome.catch(() => {});
    return Promise.race([outcome, promise]).finally(() => clearTimeout(timer));
  };

  // 8. close: what is being processed may end, and the provider is told that we are gone.
  const close = async () => {
    await Promise.all([registration?.remove(), inbox.close()]);
  };
  signal?.addEventListener("abort", () => {
    const closed = close().catch(console.error);
    waitUntil?.(closed);
  });

  // The registration is looked after as long as we listen: a provider may start later than we do,
  // and may be born anew without us.
  const register = async (url: string) => {
    const backOff = new BackOff({ signal });
    while (registration && !signal?.aborted) {
      try {
        if (!(await registration.check(signal))) await registration.register({ url });
        backOff.opened();
        await pause(CHECK_MS, signal);
      } catch (error) {
        await backOff.wait(error);
      }
    }
  };
  app.onStart(({ server }) => {
    if (!registration || !server) return;
    register(publicUrl ?? new URL("webhooks/standard", server.url).href).catch(console.error);
  });

  for (const sender of SENDERS) {
    const known = secrets[sender] ?? [];
    if (typeof known !== "function") checkSecrets(sender, known);
    app.post(`/webhooks/${sender}`, ({ request }) => receive(request, sender));
  }

  // What arrived, as a plain poll answers it.
  return app.get("/events", ({ request, query }) => {
    accept(request);
    const { after, types } = readQuery(query);
    const reader = feed.reader({ after, types, limit: readLimit(query) });
    const batch = reader.read();
    const page = encodePage(batch, reader.cursor);
    return reply(request, page, {
      "content-type": "application/json",
      "cache-control": "private, no-cache",
    });
  });
};
