import { SQL, type TransactionSQL } from "bun";
import { GAP, parseCursor, type FeedEvent } from "@tidings/shared";
import type { Attempt } from "./attempt.ts";
import { encodeBody } from "./wire.ts";

/** A registered endpoint, as it lies in the outbox. */
export interface Endpoint {
  readonly id: string;
  readonly url: string;
  /** What it wants; undefined: everything. */
  readonly types: readonly string[] | undefined;
  /** Whether a failing event holds back those behind it. */
  readonly ordered: boolean;
  /** Why nothing is sent to it; undefined while it is enabled. */
  readonly disabled: Disabled | undefined;
  readonly createdAt: number;
  /** What signs for it: its secret, and after a rotation the former one for a while. */
  readonly secrets: readonly string[];
}

/** `request`: by its owner. `gone`: it answered 410. `failing`: nothing but failures for days. */
export type Disabled = "request" | "gone" | "failing";

/** A delivery that is ours to attempt until its lease ends. */
export interface Due {
  readonly key: string;
  /** The event's id. */
  readonly id: string;
  readonly body: string;
  /** How many attempts have failed. */
  readonly failed: number;
  /** When the first of them began. */
  readonly firstAt: number | undefined;
}

/** `waiting` for its next attempt, `delivered`, or `dead`: out of attempts, kept for a replay. */
export type State = "waiting" | "delivered" | "dead";

/** A delivery, as its endpoint's owner sees it. */
export interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly state: State;
  readonly dueAt: number | undefined;
  readonly attempts: readonly Omit<Attempt, "askedMs">[];
}

// One statement per line of thought, in SQL that SQLite and Postgres both run. Times are
// milliseconds since 1970. A delivery's key is its event's id; a gap is one endpoint's own.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS endpoints (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    ordered SMALLINT NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until BIGINT,
    disabled TEXT,
    failing_since BIGINT,
    created_at BIGINT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS subscriptions (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, type)
  );
  CREATE TABLE IF NOT EXISTS events (
    event_key TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS deliveries (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    event_key TEXT NOT NULL REFERENCES events (event_key),
    epoch BIGINT NOT NULL,
    place BIGINT NOT NULL,
    state TEXT NOT NULL,
    failed INTEGER NOT NULL,
    first_at BIGINT,
    due_at BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, event_key)
  );
  CREATE TABLE IF NOT EXISTS attempts (
    endpoint_id TEXT NOT NULL,
    event_key TEXT NOT NULL,
    at BIGINT NOT NULL,
    ms INTEGER NOT NULL,
    status INTEGER,
    error TEXT,
    answer TEXT NOT NULL,
    FOREIGN KEY (endpoint_id, event_key) REFERENCES deliveries (endpoint_id, event_key)
      ON DELETE CASCADE
  );
  CREATE INDEX IF NOT EXISTS waiting_by_time ON deliveries (endpoint_id, due_at, epoch, place)
    WHERE state = 'waiting';
  CREATE INDEX IF NOT EXISTS waiting_by_place ON deliveries (endpoint_id, epoch, place)
    WHERE state = 'waiting';
  CREATE INDEX IF NOT EXISTS deliveries_of_event ON deliveries (event_key);
  CREATE INDEX IF NOT EXISTS attempts_of_delivery ON attempts (endpoint_id, event_key)
`;

// The type that stands for all types.
const ALL = "*";
// Rows that one statement inserts; SQLite takes 32,766 parameters.
const ROWS = 1_000;
const LISTED = 100;

interface EndpointRow {
  id: string;
  url: string;
  ordered: number;
  secret: string;
  old_secret: string | null;
  old_secret_until: number | null;
  disabled: Disabled | null;
  created_at: number;
}

/**
 * What is still to be delivered, on disk. A delivery is claimed with a lease: whoever holds it
 * attempts it, and when the holder dies it is due again. So nothing is lost, and what is repeated
 * has the same id.
 *
 * All work runs in the order in which it was asked for, and what one turn of the event loop asks
 * for shares one transaction: a hundred publishes cost one wait for the disk.
 */
export class Outbox {
  readonly #sql: SQL;
  readonly #opened: Promise<unknown>;
  readonly #queue: {
    work: (tx: TransactionSQL) => Promise<() => void>;
    fail: (e: unknown) => void;
  }[] = [];
  #draining = false;

  /** `filename` is a file, or `:memory:`. */
  constructor(filename: string) {
    this.#sql = new SQL({ adapter: "sqlite", filename });
    this.#opened = this.#open();
    // Who asks for work is told; nobody needs to be told here.
    this.#opened.catch(() => {});
  }

  async #open() {
    await this.#sql`PRAGMA journal_mode = WAL`;
    await this.#sql`PRAGMA busy_timeout = 5000`;
    await this.#sql`PRAGMA foreign_keys = ON`;
    await this.#sql.unsafe(SCHEMA);
    // A file has one server. A lease that lies in it now is a dead one's: no need to wait.
    await this
      .#sql`UPDATE deliveries SET leased_until = 0 WHERE state = 'waiting' AND leased_until > 0`;
  }

  /** Runs `work` in a transaction that it shares; so it must not throw to say "not found". */
  #run<Result>(work: (tx: TransactionSQL) => Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const entry = async (tx: TransactionSQL) => {
      const result = await work(tx);
      return () => resolve(result);
    };
    this.#queue.push({ work: entry, fail: reject });
    if (!this.#draining) setImmediate(() => this.#drain());
    this.#draining = true;
    return promise;
  }

  async #drain() {
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0);
      try {
        await this.#opened;
        const done: (() => void)[] = [];
        await this.#sql.begin(async (tx) => {
          for (const { work } of group) done.push(await work(tx));
        });
        for (const tell of done) tell();
      } catch (error) {
        for (const { fail } of group) fail(error);
      }
    }
    this.#draining = false;
  }

  /** Writes an event and a delivery for each endpoint that wants it; returns their ids. */
  add(event: FeedEvent, now = Date.now()): Promise<string[]> {
    const { epoch, offset } = placeOf(event);
    return this.#run(async (tx) => {
      await insertEvents(tx, [eventRow(event, now)]);
      const added = await tx<{ endpoint_id: string }[]>`
        INSERT INTO deliveries
          (endpoint_id, event_key, epoch, place, state, failed, due_at, leased_until)
        SELECT id, ${event.id}, ${epoch}, ${offset}, 'waiting', 0, ${now}, 0 FROM endpoints
        WHERE disabled IS NULL AND EXISTS (
          SELECT 1 FROM subscriptions
          WHERE endpoint_id = endpoints.id AND type IN (${ALL}, ${event.type}))
        RETURNING endpoint_id`;
      return added.map((row) => row.endpoint_id);
    });
  }

  /** Writes an endpoint, and what it missed: both or neither. */
  register(endpoint: Endpoint, missed: readonly FeedEvent[]): Promise<void> {
    const { id, url, ordered, secrets, createdAt, types } = endpoint;
    return this.#run(async (tx) => {
      await tx`
        INSERT INTO endpoints (id, url, ordered, secret, created_at)
        VALUES (${id}, ${url}, ${Number(ordered)}, ${secrets[0]}, ${createdAt})`;
      await subscribe(tx, id, types);
      await enqueue(tx, id, missed, createdAt);
    });
  }

  /** Puts those of the events that an endpoint wants into its queue again. */
  replay(id: string, events: readonly FeedEvent[], now = Date.now()): Promise<boolean> {
    return this.#change(id, async (tx, row) => {
      const { types } = await withTypes(tx, row, now);
      const wanted = types && new Set(types).add(GAP);
      const missed = wanted ? events.filter(({ type }) => wanted.has(type)) : events;
      await enqueue(tx, id, missed, now);
    });
  }

  /** Puts one event that is still kept into an endpoint's queue again, whatever its type is. */
  replayOne(id: string, eventId: string, now = Date.now()): Promise<boolean> {
    return this.#change(id, async (tx) => {
      const keys = [eventId, gapKey(id, eventId)];
      const [event] = await tx<{ event_key: string }[]>`
        SELECT event_key FROM events WHERE event_key IN ${tx(keys)} ORDER BY event_key LIMIT 1`;
      const cursor = parseCursor(eventId);
      if (!event || !cursor) return false;
      await insertDeliveries(tx, id, [{ key: event.event_key, ...cursor }], now);
      return true;
    });
  }

  /**
   * Takes up to `limit` due deliveries of an endpoint, for `leaseMs`; of an ordered one only the
   * first in line. `nextAt`: when another one will be due.
   */
  claim(endpointId: string, limit: number, leaseMs: number, now = Date.now()) {
    return this.#run(async (tx) => {
      const [row] = await tx<EndpointRow[]>`
        SELECT * FROM endpoints WHERE id = ${endpointId} AND disabled IS NULL`;
      if (!row) return undefined;
      const mine = tx`endpoint_id = ${endpointId} AND state = 'waiting'`;
      const free = tx`leased_until <= ${now}`;
      const first = row.ordered
        ? tx`SELECT event_key FROM deliveries WHERE ${mine} ORDER BY epoch, place LIMIT 1`
        : tx`SELECT event_key FROM deliveries WHERE ${mine} AND ${free} AND due_at <= ${now}
             ORDER BY due_at, epoch, place LIMIT ${limit}`;
      // The condition stands here once more: on Postgres another claim may have been faster. As
      // one term, so that the planner goes by the keys and not through all that waits.
      const claimed = await tx<{ event_key: string; failed: number; first_at: number | null }[]>`
        UPDATE deliveries SET leased_until = ${now + leaseMs}
        WHERE endpoint_id = ${endpointId} AND event_key IN (${first})
          AND (state = 'waiting' AND ${free} AND due_at <= ${now}) IS TRUE
        RETURNING event_key, failed, first_at`;
      const events = new Map<string, { id: string; body: string }>();
      if (claimed.length > 0) {
        const keys = claimed.map((delivery) => delivery.event_key);
        for (const { event_key, ...event } of await tx<
          { event_key: string; id: string; body: string }[]
        >`SELECT event_key, id, body FROM events WHERE event_key IN ${tx(keys)}`)
          events.set(event_key, event);
      }
      const due: Due[] = claimed.flatMap(({ event_key: key, failed, first_at }) => {
        const event = events.get(key);
        return event ? [{ key, ...event, failed, firstAt: optional(first_at) }] : [];
      });
      const [next] = await tx<{ due_at: number; leased_until: number }[]>`
        SELECT due_at, leased_until FROM deliveries WHERE ${mine} AND
        ${row.ordered ? tx`1 = 1 ORDER BY epoch, place` : tx`${free} ORDER BY due_at, epoch, place`}
        LIMIT 1`;
      const nextAt = next && Number(next.leased_until) <= now ? Number(next.due_at) : undefined;
      return { endpoint: await withTypes(tx, row, now), due, nextAt };
    });
  }

  /**
   * Keeps how an attempt went, and ends the lease. Without `dueAt` there is no further one: the
   * delivery is delivered or dead. True when the endpoint was disabled for this: the event has
   * used up its schedule, and meanwhile no other was accepted either.
   */
  record(
    endpointId: string,
    { key, firstAt = Infinity }: Due,
    { at, ms, status, error, answer }: Attempt,
    state: State,
    dueAt = at,
  ): Promise<boolean> {
    const failed = Number(state !== "delivered");
    return this.#run(async (tx) => {
      const [delivery] = await tx`
        UPDATE deliveries
        SET state = ${state}, failed = failed + ${failed}, due_at = ${dueAt}, leased_until = 0,
          first_at = COALESCE(first_at, ${at})
        WHERE endpoint_id = ${endpointId} AND event_key = ${key}
        RETURNING event_key`;
      // The endpoint was deleted while the attempt ran.
      if (!delivery) return false;
      await tx`
        INSERT INTO attempts (endpoint_id, event_key, at, ms, status, error, answer)
        VALUES (${endpointId}, ${key}, ${at}, ${ms}, ${status}, ${error}, ${answer})`;
      await (failed
        ? tx`UPDATE endpoints SET failing_since = ${at}
             WHERE id = ${endpointId} AND failing_since IS NULL`
        : tx`UPDATE endpoints SET failing_since = NULL
             WHERE id = ${endpointId} AND failing_since IS NOT NULL`);
      if (state !== "dead") return false;
      const [disabled] = await tx`
        UPDATE endpoints SET disabled = ${status === 410 ? "gone" : "failing"}
        WHERE id = ${endpointId} AND disabled IS NULL
          AND (${Number(status === 410)} = 1 OR failing_since <= ${Math.min(firstAt, at)})
        RETURNING id`;
      return disabled !== undefined;
    });
  }

  endpoints(now = Date.now()): Promise<Endpoint[]> {
    return this.#run(async (tx) => {
      const rows = await tx<EndpointRow[]>`SELECT * FROM endpoints ORDER BY created_at, id`;
      return Promise.all(rows.map((row) => withTypes(tx, row, now)));
    });
  }

  /** One endpoint, and how many deliveries wait for it. */
  endpoint(id: string, now = Date.now()) {
    return this.#run(async (tx) => {
      const [row] = await tx<EndpointRow[]>`SELECT * FROM endpoints WHERE id = ${id}`;
      if (!row) return undefined;
      const [count] = await tx<{ waiting: number }[]>`
        SELECT COUNT(*) AS waiting FROM deliveries
        WHERE endpoint_id = ${id} AND state = 'waiting'`;
      return { ...(await withTypes(tx, row, now)), waiting: Number(count?.waiting) };
    });
  }

  /** The newest hundred deliveries of an endpoint, each with its attempts. */
  deliveries(endpointId: string): Promise<Delivery[]> {
    return this.#run(async (tx) => {
      const rows = await tx<
        { event_key: string; id: string; type: string; state: State; due_at: number }[]
      >`
        SELECT deliveries.event_key, id, type, state, due_at
        FROM deliveries JOIN events ON events.event_key = deliveries.event_key
        WHERE endpoint_id = ${endpointId} ORDER BY epoch DESC, place DESC LIMIT ${LISTED}`;
      return Promise.all(
        rows.map(async ({ event_key, id, type, state, due_at }) => ({
          id,
          type,
          state,
          dueAt: state === "waiting" ? Number(due_at) : undefined,
          attempts: await tx<Delivery["attempts"]>`
            SELECT at, ms, status, error, answer FROM attempts
            WHERE endpoint_id = ${endpointId} AND event_key = ${event_key} ORDER BY at`,
        })),
      );
    });
  }

  change(
    id: string,
    { url, types, ordered }: { url?: string; types?: readonly string[] | null; ordered?: boolean },
  ): Promise<boolean> {
    return this.#change(id, async (tx) => {
      if (url !== undefined) await tx`UPDATE endpoints SET url = ${url} WHERE id = ${id}`;
      if (ordered !== undefined)
        await tx`UPDATE endpoints SET ordered = ${Number(ordered)} WHERE id = ${id}`;
      if (types === undefined) return;
      await tx`DELETE FROM subscriptions WHERE endpoint_id = ${id}`;
      await subscribe(tx, id, types ?? undefined);
    });
  }

  /** A new secret; the former one signs as well until `oldUntil`. */
  rotate(id: string, secret: string, oldUntil: number): Promise<boolean> {
    return this.#change(
      id,
      (tx) => tx`
        UPDATE endpoints
        SET old_secret = secret, old_secret_until = ${oldUntil}, secret = ${secret}
        WHERE id = ${id}`,
    );
  }

  /** Stops sending, for this reason, or with `null` goes on with what waits. */
  disable(id: string, reason: Disabled | null): Promise<boolean> {
    return this.#change(
      id,
      (tx) => tx`UPDATE endpoints SET disabled = ${reason}, failing_since = NULL WHERE id = ${id}`,
    );
  }

  /** Forgets an endpoint and all that waits for it. */
  remove(id: string): Promise<boolean> {
    return this.#change(id, (tx) => tx`DELETE FROM endpoints WHERE id = ${id}`);
  }

  /** Work on one endpoint; false when there is none, or when `work` says so. */
  #change(
    id: string,
    work: (tx: TransactionSQL, row: EndpointRow) => Promise<unknown>,
  ): Promise<boolean> {
    return this.#run(async (tx) => {
      const [row] = await tx<EndpointRow[]>`SELECT * FROM endpoints WHERE id = ${id}`;
      return row !== undefined && (await work(tx, row)) !== false;
    });
  }

  /** Forgets what was delivered before `before`. What waits and what is dead stays. */
  prune(before: number): Promise<void> {
    return this.#run(async (tx) => {
      await tx`DELETE FROM deliveries WHERE state = 'delivered' AND due_at < ${before}`;
      await tx`
        DELETE FROM events WHERE created_at < ${before}
          AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_key = events.event_key)`;
    });
  }

  /** Ends it, after all that was asked for. */
  async close(): Promise<void> {
    await this.#run(async () => {});
    await this.#sql.close();
  }
}

const optional = (value: number | null) => (value === null ? undefined : Number(value));

const placeOf = ({ id }: FeedEvent) => {
  const cursor = parseCursor(id);
  if (!cursor) throw new TypeError(`id: ${id} is not a feed's.`);
  return cursor;
};

// A gap has the id of an event that is lost, and its data are for the one who missed it.
const gapKey = (endpointId: string, id: string) => `${endpointId} ${id}`;

const eventRow = (event: FeedEvent, now: number, key = event.id) => ({
  event_key: key,
  id: event.id,
  type: event.type,
  body: encodeBody(event),
  created_at: now,
});

const insertEvents = (tx: TransactionSQL, rows: readonly ReturnType<typeof eventRow>[]) =>
  tx`INSERT INTO events ${tx(rows)} ON CONFLICT (event_key) DO NOTHING`;

const insertDeliveries = (
  tx: TransactionSQL,
  endpointId: string,
  events: readonly { key: string; epoch: number; offset: number }[],
  now: number,
) => {
  const rows = events.map(({ key, epoch, offset }) => ({
    endpoint_id: endpointId,
    event_key: key,
    epoch,
    place: offset,
    state: "waiting",
    failed: 0,
    due_at: now,
    leased_until: 0,
  }));
  return tx`
    INSERT INTO deliveries ${tx(rows)}
    ON CONFLICT (endpoint_id, event_key) DO UPDATE
    SET state = 'waiting', failed = 0, first_at = NULL, due_at = excluded.due_at
    WHERE deliveries.state <> 'waiting'`;
};

const enqueue = async (
  tx: TransactionSQL,
  endpointId: string,
  events: readonly FeedEvent[],
  now: number,
) => {
  for (let i = 0; i < events.length; i += ROWS) {
    const page = events.slice(i, i + ROWS).map((event) => {
      const key = event.type === GAP ? gapKey(endpointId, event.id) : event.id;
      return { key, event, ...placeOf(event) };
    });
    await insertEvents(
      tx,
      page.map(({ key, event }) => eventRow(event, now, key)),
    );
    await insertDeliveries(tx, endpointId, page, now);
  }
};

const subscribe = (tx: TransactionSQL, id: string, types: readonly string[] = [ALL]) =>
  tx`INSERT INTO subscriptions ${tx(types.map((type) => ({ endpoint_id: id, type })))}`;

const withTypes = async (tx: TransactionSQL, row: EndpointRow, now: number): Promise<Endpoint> => {
  const rows = await tx<{ type: string }[]>`
    SELECT type FROM subscriptions WHERE endpoint_id = ${row.id} ORDER BY type`;
  const types = rows.map(({ type }) => type);
  const overlap = row.old_secret !== null && Number(row.old_secret_until) > now;
  return {
    id: row.id,
    url: row.url,
    types: types.includes(ALL) ? undefined : types,
    ordered: Number(row.ordered) === 1,
    disabled: row.disabled ?? undefined,
    createdAt: Number(row.created_at),
    secrets: [row.secret, ...(overlap && row.old_secret !== null ? [row.old_secret] : [])],
  };
};
