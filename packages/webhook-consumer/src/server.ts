import { Problem } from "@tidings/shared";
import { BackOff, pause } from "@tidings/shared/client";
import {
  checkOptions,
  contract,
  encodePage,
  readBody,
  readQuery,
  type ServerOptions,
} from "@tidings/shared/server";
import { Inbox, type InboxOptions, type Process } from "./inbox.ts";
import { Registration } from "./registration.ts";
import { receive as verifyAndRead } from "./senders.ts";
import { checkSecrets, SENDERS, type Sender } from "./verify.ts";

/** A sender's secrets, or where to get them; several while one is being rotated. */
export type Secrets = readonly string[] | (() => Promise<readonly string[]>);

export interface Options extends ServerOptions, InboxOptions {
  /** The secrets of each sender. Default: none, and everything is refused. */
  secrets?: { readonly [sender in Sender]?: Secrets } | undefined;
  /**
   * Processes each verified event, after its sender was told that it arrived: one at a time and in
   * order of arrival, for each sender. When it throws, the inbox tries again after a pause, with
   * `attempt` 2, 3 …, until it succeeds; those behind it wait. To give an event up, return; to
   * have its effect exactly once, make it idempotent by the event's id. Default: nothing;
   * `GET /events` shows what arrived.
   */
  onEvent?: Process | undefined;
  /** A provider's URL: this server registers there while it runs. Default: none. */
  provider?: string | undefined;
  /** Sent to that provider as a bearer token. */
  providerToken?: string | undefined;
  /** Where that provider reaches this server. Default: the address that it listens on. */
  publicUrl?: string | undefined;
}

// How often a registration is looked after.
const CHECK_MS = 5_000;

export const server = (options: Options) => {
  const { secrets = {}, onEvent, maxBodyBytes = 65_536 } = options;
  const { provider, providerToken, publicUrl, signal, waitUntil } = options;
  checkOptions(options, {
    maxWaiting: { min: 1, whole: true },
    keepMs: { min: 0 },
    maxKept: { min: 1, whole: true },
    minRetryMs: { min: 0 },
    maxRetryMs: { min: 0, max: 2 ** 31 - 1 },
  });
  const [unknown] = Object.keys(secrets).filter((name) => !SENDERS.some((one) => one === name));
  if (unknown !== undefined)
    throw new RangeError(`secrets.${unknown}: no such sender; there are ${SENDERS.join(", ")}.`);
  for (const sender of SENDERS) {
    const known = secrets[sender] ?? [];
    if (typeof known !== "function") checkSecrets(sender, known);
  }
  for (const [name, url] of Object.entries({ provider, publicUrl }))
    if (url !== undefined && !/^https?:/.test(URL.parse(url)?.protocol ?? ""))
      throw new RangeError(`${name}: must be an http or https URL.`);
  const { app, feed, stats, accept, reply, replyJson } = contract("webhook-consumer", {
    ...options,
    selfAuthorized: "/webhooks/",
  });
  const registration =
    provider === undefined ? undefined : new Registration(provider, providerToken);

  const receive = async (request: Request, sender: Sender) => {
    // 1. accept: the raw bytes, bounded, and untouched: what was signed is not what a parser
    // would make of it. [CONSUMER-2]
    accept(request);
    const body = await readBody(request, maxBodyBytes);

    // 2. authorize: the signature does it. Only then the body is looked at. [CONSUMER-1]
    const event = verifyAndRead(sender, request.headers, body, await secretsOf(sender));

    // 3. resume: the provider has our place, and brings again whatever it had no 2xx for. So an
    // event may come twice, and the inbox knows which ones came. [CONSUMER-7]
    const outcome = await inbox.put(sender, event);

    // 4. hand over: a 2xx says that the event is on our disk, and nothing more: no provider waits
    // for work. What was missed and what is new come in the same way. [CONSUMER-8]
    if (outcome === "full") throw full();
    return replyJson(request, { id: event.id, duplicate: outcome === "duplicate" });
  };

  // 5. deliver: to whoever runs this server, and into its own feed, when its turn has come.
  const inbox = new Inbox(async (event, sender, attempt) => {
    await onEvent?.(event, sender, attempt);
    feed.publish(`webhook.${sender}`, { ...event });
    stats.delivered++;
  }, options);

  // 6. heartbeat: none comes. To a consumer a dead provider is as quiet as one without news; only
  // asking it tells them apart.

  // 7. slow reader: that is us, now. What we cannot take yet the provider keeps. [CONSUMER-12]
  const full = () =>
    new Problem(503, "inbox: too many events wait; come back after Retry-After.", {
      "retry-after": "5",
    });

  const secretsOf = async (sender: Sender): Promise<readonly string[]> => {
    const known = secrets[sender] ?? [];
    const own = typeof known === "function" ? await known() : known;
    const theirs = sender === "standard" ? await registration?.secrets() : undefined;
    return [...own, ...(theirs ?? [])];
  };

  // 8. close: what is being processed may end, what waits stays on disk, and the provider is told
  // that we are gone.
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

  for (const sender of SENDERS)
    app.post(`/webhooks/${sender}`, ({ request }) => receive(request, sender));

  // What was processed, as a plain poll answers it. [CONSUMER-11]
  return app.get("/events", ({ request }) => {
    accept(request);
    const { after, types, limit } = readQuery(request);
    const reader = feed.reader({ after, types, limit });
    const batch = reader.read();
    const page = encodePage(batch, reader);
    return reply(request, page, {
      "content-type": "application/json",
      "cache-control": "private, no-cache",
    });
  });
};
