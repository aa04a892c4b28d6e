import type { FeedEvent } from "@tidings/shared";
import {
  checkOptions,
  contract,
  readJson,
  unavailable,
  type Publish,
  type ServerOptions,
} from "@tidings/shared/server";
import { judge, readUrl } from "./address.ts";
import { attempt, type AttemptOptions } from "./attempt.ts";
import { endpoints, type EndpointsOptions } from "./endpoints.ts";
import { Line, type LineOptions, type Outcome } from "./line.ts";
import { Outbox } from "./outbox.ts";
import type { Due, State } from "./queue.ts";
import { readRegistration } from "./registration.ts";
import type { Endpoint } from "./registry.ts";
import { retryDelayMs } from "./schedule.ts";
import { Seats } from "./seats.ts";
import { encodeHeaders, newSecret } from "./wire.ts";

export interface Options extends ServerOptions, AttemptOptions, EndpointsOptions, LineOptions {
  /**
   * Where the outbox lies: a file, which one server has for its own, or `:memory:`, which ends with
   * the process. Default `:memory:`.
   */
  database?: string | undefined;
  /** Stretches the retry schedule, or shrinks it for a demo. Default 1. */
  scheduleScale?: number | undefined;
  /**
   * How many attempts for all endpoints may run at a time. Default 200; a quarter of them are for
   * endpoints whose last one failed. Bun itself makes at most 256 requests at a time.
   */
  maxAttempts?: number | undefined;
  /** How long what was delivered can be looked up, in milliseconds. Default 3,600,000: an hour. */
  keepMs?: number | undefined;
  /** How many of the delivered can be looked up at the most. Default 100,000. */
  maxKept?: number | undefined;
  /** How many dead letters are kept; the oldest are forgotten. Default 10,000. */
  maxDead?: number | undefined;
}

const HOUSEKEEPING_MS = 60_000;
const LEASE_MARGIN_MS = 5_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

export const server = (options: Options) => {
  const { database = ":memory:", scheduleScale: scale, maxAttempts = 200, signal } = options;
  const { timeoutMs = 15_000, maxBodyBytes = 65_536, ratePerSecond = 10_000 } = options;
  const { keepMs = 3_600_000, maxKept = 100_000, maxDead = 10_000 } = options;
  checkOptions(options, {
    scheduleScale: { min: 0 },
    concurrency: { min: 1, whole: true },
    ratePerSecond: { min: 0.001 },
    maxAttempts: { min: 2, whole: true },
    timeoutMs: { min: 1, max: MAX_TIMER_MS / 4 },
    keepMs: { min: 0 },
    maxKept: { min: 0, whole: true },
    maxDead: { min: 0, whole: true },
    maxWaiting: { min: 1, whole: true },
    maxWaitingInAll: { min: 1, whole: true },
    rotationMs: { min: 0 },
  });
  const lines = new Map<string, Line>();
  // A lease outlives the longest attempt, begun as late as can be.
  const leaseMs = 2 * timeoutMs + LEASE_MARGIN_MS;
  const wake = (id: string, due: readonly Due[]) =>
    due.length > 0 ? lines.get(id)?.take(due) : lines.get(id)?.wake();
  const ready = () => {
    const ids = [...lines].filter(([, line]) => line.isReady).map(([id]) => id);
    return { ids, leaseMs };
  };

  // The publisher's 201 means: the event and all its due deliveries are on disk. [PROVIDER-13]
  const outbox = new Outbox(database, { ...options, wake, ready });
  options.startAfter?.(outbox.opened);
  const publish: Publish = (type, data, key) => outbox.publish(type, data, key);
  const common = contract("webhook-provider", { ...options, publish });
  const { app, feed, subscribers, stats, accept, addressOf } = common;

  // 1. accept: no page of another host may register or change an endpoint.

  // 2. authorize: whoever may read the feed may have it sent; the contract has asked.

  const register = async (request: Request, type?: string) => {
    accept(request);
    // The address is judged now, so that a mistake shows at once, and again before each attempt,
    // because a name may lead somewhere else tomorrow.
    const { after, ...wish } = readRegistration(
      await readJson(request, maxBodyBytes),
      ratePerSecond,
      type,
    );
    await judge(readUrl(wish.url), options);
    const endpoint: Endpoint = {
      ...wish,
      id: `ep_${Bun.randomUUIDv7()}`,
      disabled: undefined,
      createdAt: Date.now(),
      secrets: [newSecret()],
    };

    // 3. resume: an endpoint may begin in the past; its place is kept here from then on, as a
    // queue of what it has not accepted yet.
    const reader = after === undefined ? undefined : feed.reader({ after, types: wish.types });
    const missed = () => {
      const events: FeedEvent[] = [];
      for (let batch = reader?.read(); batch; batch = reader?.read()) events.push(...batch.events);
      return events;
    };

    // 4. hand over: what was missed is read in the transaction that writes the endpoint. What is
    // published from then on finds it there: no hole, no double.
    const line = open(endpoint.id);
    if (!subscribers.join(line.end, addressOf(request))) throw unavailable();
    lines.set(endpoint.id, line);
    const cursor = await outbox.register(endpoint, missed).catch((error) => {
      close(endpoint.id);
      throw error;
    });
    line.wake();
    return { endpoint, cursor };
  };

  // 5. deliver: each event in a request of its own, signed anew for each attempt. 2xx is a
  // receipt; everything else is a failure and is tried again by the schedule, up to its end. Its
  // result is written down together with others; were it lost, the delivery would be repeated.
  // [PROVIDER-9]
  const deliver = async (endpoint: Endpoint, due: Due): Promise<Outcome> => {
    const attempt = await send(endpoint, due.id, due.body);
    const { status, askedMs } = attempt;
    const accepted = status !== null && status >= 200 && status < 300;
    // 410: never again.
    const isLast = accepted || status === 410;
    const pauseMs = isLast ? undefined : retryDelayMs(due.failed + 1, { scale, askedMs });
    const dueAt = pauseMs === undefined ? undefined : Date.now() + pauseMs;
    const state: State = accepted ? "delivered" : dueAt === undefined ? "dead" : "waiting";
    if (accepted) stats.delivered++;
    if (state === "dead") stats.dropped++;
    outbox.record({ endpointId: endpoint.id, due, attempt, state, dueAt });
    return { accepted, slow: status === 429 || status === 502 || status === 504 };
  };
  const send = ({ url, headers, secrets }: Endpoint, id: string, body: string) => {
    stats.bytesOut += Buffer.byteLength(body);
    return attempt(
      new URL(url),
      { ...headers, ...encodeHeaders(id, body, secrets) },
      body,
      options,
    );
  };

  // 6. heartbeat: none. Nothing is held open, so nothing can die unnoticed: each delivery is its
  // own proof of life. What ticks here is the outbox's housekeeping.
  const keepHouse = () => {
    outbox.prune({ before: Date.now() - keepMs, maxKept, maxDead }).catch(() => {});
    for (const line of lines.values()) line.wake();
  };
  const housekeeping = setInterval(keepHouse, HOUSEKEEPING_MS);

  // 7. slow reader: it fills its own line, on disk, with a few attempts at a time that each end in
  // bounded time. Those who do not answer share seats of their own. [PROVIDER-14]
  const few = Math.ceil(maxAttempts / 4);
  const seats = { good: new Seats(maxAttempts - few), doubtful: new Seats(few) };
  const open = (id: string) =>
    new Line(id, options, { outbox, seats, timeoutMs, leaseMs, deliver });

  // 8. close: a line ends when its endpoint is deleted, and all do when the server ends. Attempts
  // that run may end; the rest lies in the outbox for the next life.
  const close = (id: string) => {
    const line = lines.get(id);
    if (!line) return;
    line.end();
    lines.delete(id);
    subscribers.leave(line.end);
  };
  const drain = async () => {
    clearInterval(housekeeping);
    await Promise.all([seats.good.empty(), seats.doubtful.empty()]);
    await outbox.close();
  };
  signal?.addEventListener("abort", () => {
    const drained = drain().catch(console.error);
    options.waitUntil?.(drained);
  });

  // The endpoints of a former life go on where they were.
  const takeUp = async () => {
    await outbox.opened;
    for (const { id } of await outbox.endpoints()) {
      if (lines.has(id) || signal?.aborted) continue;
      const line = open(id);
      lines.set(id, line);
      subscribers.join(line.end, "");
      line.wake();
    }
  };
  takeUp().catch(() => {});

  const renew = (id: string) => lines.get(id)?.renew();
  const lent = { common, outbox, register, send, seats: seats.doubtful, renew, close };
  return app.use(endpoints({ ...lent, ratePerSecond, options }));
};
