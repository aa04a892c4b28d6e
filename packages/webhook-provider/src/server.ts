import { GAP, Problem, type FeedEvent } from "@tidings/shared";
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
import { endpoints, readRegistration, type EndpointsOptions } from "./endpoints.ts";
import { Outbox, type Due, type Endpoint, type State } from "./outbox.ts";
import { retryDelayMs } from "./schedule.ts";
import { encodeHeaders, newSecret } from "./wire.ts";

export interface Options extends ServerOptions, AttemptOptions, EndpointsOptions {
  /** Where the outbox lies: a file, or `:memory:`, the default, which ends with the process. */
  database?: string | undefined;
  /** Stretches the retry schedule, or shrinks it for a demo. Default 1. */
  scheduleScale?: number | undefined;
  /** How many attempts for one endpoint may run at a time. Default 8. */
  concurrency?: number | undefined;
  /** How long what was delivered can be looked up, in milliseconds. Default 3,600,000: an hour. */
  keepMs?: number | undefined;
}

// A lease outlives the longest attempt. Housekeeping can wait.
const LEASE_MARGIN_MS = 5_000;
const HOUSEKEEPING_MS = 60_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The queue of one endpoint. It knows nothing of the others, so none can hold it up. */
interface Line {
  running: number;
  slow: boolean;
  claiming: boolean;
  again: boolean;
  timer: Timer | undefined;
  readonly end: () => void;
}

export const server = (options: Options) => {
  const { database = ":memory:", scheduleScale: scale, concurrency = 8 } = options;
  const {
    timeoutMs = 15_000,
    keepMs = 3_600_000,
    maxBodyBytes = 65_536,
    signal,
    waitUntil,
  } = options;
  checkOptions(options, {
    scheduleScale: { min: 0 },
    concurrency: { min: 1, whole: true },
    timeoutMs: { min: 1, max: MAX_TIMER_MS },
    keepMs: { min: 0 },
    rotationMs: { min: 0 },
  });
  const outbox = new Outbox(database);
  const lines = new Map<string, Line>();
  const running = new Set<Promise<void>>();

  // The publisher's 201 means: the event and all its due deliveries are on disk.
  const publish: Publish = async (type, data, key) => {
    const event = options.feed.publish(type, data, key);
    for (const id of await outbox.add(event)) wake(id);
    return event;
  };
  const { app, feed, subscribers, stats, accept, reply, replyJson, addressOf } = contract(
    "webhook-provider",
    {
      ...options,
      publish,
    },
  );

  // 1. accept: no page of another host may register or change an endpoint.

  // 2. authorize: whoever may read the feed may have it sent; the contract has asked.

  const register = async (request: Request, type?: string) => {
    accept(request);
    // The address is judged now, so that a mistake shows at once, and again before each attempt,
    // because a name may lead somewhere else tomorrow.
    const wish = readRegistration(await readJson(request, maxBodyBytes), type);
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
    const { after, types } = wish;
    const wants = ({ type }: FeedEvent) => !types || type === GAP || types.includes(type);
    const missed = after === undefined ? [] : feed.since(after).filter(wants);
    const { cursor } = feed;

    // 4. hand over: what was missed is read and the registration is asked for in one turn of the
    // event loop, and the outbox works in the order of asking. What is published from now on
    // finds the endpoint there: no hole, no double.
    const line = open(endpoint.id);
    if (!subscribers.join(line.end, addressOf(request))) throw unavailable();
    lines.set(endpoint.id, line);
    await outbox.register(endpoint, missed).catch((error) => {
      close(endpoint.id);
      throw error;
    });
    wake(endpoint.id);
    return { endpoint, cursor };
  };

  // 5. deliver: each event in a request of its own, signed anew for each attempt. 2xx is a
  // receipt; everything else is a failure and is tried again by the schedule, up to its end.
  const deliver = async (line: Line, endpoint: Endpoint, due: Due) => {
    const result = await send(endpoint, due.id, due.body);
    const { status } = result;
    const received = status !== null && status >= 200 && status < 300;
    // 410: never again. 429, 502, 504: gently, one at a time.
    line.slow = status === 429 || status === 502 || status === 504;
    const pause =
      received || status === 410
        ? undefined
        : retryDelayMs(due.failed + 1, { scale, askedMs: result.askedMs });
    const state: State = received ? "delivered" : pause === undefined ? "dead" : "waiting";
    if (received) stats.delivered++;
    if (state === "dead") stats.dropped++;
    const dueAt = pause === undefined ? undefined : Date.now() + pause;
    const disabled = await outbox.record(endpoint.id, due, result, state, dueAt);
    if (!disabled) return;
    const reason = status === 410 ? "gone" : "failing";
    await publish("endpoint.disabled", { endpoint: endpoint.id, reason });
  };
  const send = ({ url, secrets }: Endpoint, id: string, body: string) => {
    stats.bytesOut += Buffer.byteLength(body);
    return attempt(readUrl(url), encodeHeaders(id, body, secrets), body, options);
  };

  // 6. heartbeat: none. Nothing is held open, so nothing can die unnoticed: each delivery is its
  // own proof of life. What ticks here is the outbox's housekeeping.
  const keepHouse = () => {
    outbox.prune(Date.now() - keepMs).catch(console.error);
    for (const id of lines.keys()) wake(id);
  };
  const housekeeping = setInterval(keepHouse, HOUSEKEEPING_MS);

  // 7. slow reader: it fills its own queue, on disk, with a few attempts at a time that each end
  // in bounded time. A line takes what is due as long as it has room, then sleeps until the next.
  const wake = (id: string) => {
    const line = lines.get(id);
    if (!line) return;
    line.again = true;
    if (!line.claiming) pump(id, line).catch(console.error);
  };
  const pump = async (id: string, line: Line) => {
    const room = () => (line.slow ? 1 : concurrency) - line.running;
    line.claiming = true;
    try {
      while (line.again && room() > 0) {
        line.again = false;
        const claim = await outbox.claim(id, room(), timeoutMs + LEASE_MARGIN_MS);
        // Disabled, deleted or closing by now.
        if (!claim || !lines.has(id)) return;
        for (const due of claim.due) {
          line.running++;
          const done = deliver(line, claim.endpoint, due).catch(console.error);
          running.add(done);
          done.finally(() => {
            line.running--;
            running.delete(done);
            wake(id);
          });
        }
        clearTimeout(line.timer);
        if (claim.nextAt === undefined) continue;
        const sleepMs = Math.min(Math.max(0, claim.nextAt - Date.now()), MAX_TIMER_MS);
        line.timer = setTimeout(wake, sleepMs, id);
      }
    } finally {
      line.claiming = false;
    }
  };

  // 8. close: a line ends when its endpoint is deleted, and all do when the server ends. Attempts
  // that run may end; the rest lies in the outbox for the next life.
  const open = (id: string): Line => ({
    running: 0,
    slow: false,
    claiming: false,
    again: false,
    timer: undefined,
    end: () => close(id),
  });
  const close = (id: string) => {
    const line = lines.get(id);
    if (!line) return;
    clearTimeout(line.timer);
    lines.delete(id);
    subscribers.leave(line.end);
  };
  const drain = async () => {
    clearInterval(housekeeping);
    await Promise.allSettled(running);
    await outbox.close();
  };
  signal?.addEventListener("abort", () => {
    const drained = drain().catch(console.error);
    waitUntil?.(drained);
  });

  // The endpoints of a former life go on where they were.
  const takeUp = async () => {
    for (const { id } of await outbox.endpoints()) {
      if (lines.has(id) || signal?.aborted) continue;
      const line = open(id);
      lines.set(id, line);
      subscribers.join(line.end, "");
      wake(id);
    }
  };
  takeUp().catch(console.error);

  return app
    .get("/events", () => {
      throw new Problem(
        405,
        'method: events are not fetched here; register an endpoint with POST /endpoints {"url"}.',
        { allow: "POST" },
      );
    })
    .use(
      endpoints({ outbox, feed, options, accept, reply, replyJson, register, send, wake, close }),
    );
};
