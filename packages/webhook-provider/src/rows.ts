import type { SQL, TransactionSQL } from "bun";
import { GAP, parseCursor, type FeedEvent } from "@tidings/shared";
import { encodeBody } from "./wire.ts";

// The outbox's tables, and what its statements have in common. SQL that SQLite and Postgres both
// run, but for the lists: a statement takes as many rows as it likes in one parameter, as JSON
// (`json_each`; in Postgres `jsonb_array_elements`). Times are milliseconds since 1970. A delivery's
// key is its event's id; a gap is one endpoint's own.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS endpoints (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    ordered SMALLINT NOT NULL,
    headers TEXT NOT NULL,
    rate_per_second REAL,
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until BIGINT,
    disabled TEXT,
    failing_since BIGINT,
    waiting INTEGER NOT NULL DEFAULT 0,
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
    idempotency_key TEXT UNIQUE,
    created_at BIGINT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS deliveries (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    event_key TEXT NOT NULL REFERENCES events (event_key),
    epoch BIGINT NOT NULL,
    place BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    failed INTEGER NOT NULL DEFAULT 0,
    first_at BIGINT,
    due_at BIGINT NOT NULL,
    leased_until BIGINT NOT NULL DEFAULT 0,
    attempts TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (endpoint_id, event_key)
  );
  CREATE INDEX IF NOT EXISTS subscribers_of_type ON subscriptions (type);
  CREATE INDEX IF NOT EXISTS events_by_time ON events (created_at);
  CREATE INDEX IF NOT EXISTS waiting_by_time ON deliveries (endpoint_id, due_at, epoch, place)
    WHERE state = 'waiting';
  CREATE INDEX IF NOT EXISTS waiting_by_place ON deliveries (endpoint_id, epoch, place)
    WHERE state = 'waiting';
  CREATE INDEX IF NOT EXISTS dead_by_time ON deliveries (due_at) WHERE state = 'dead';
  CREATE INDEX IF NOT EXISTS deliveries_of_event ON deliveries (event_key)
`;

// The type that stands for all types.
export const ALL = "*";

/** Makes a database ready: the tables, and what a former life left behind. */
export const prepare = async (sql: SQL) => {
  await sql`PRAGMA journal_mode = WAL`;
  await sql`PRAGMA busy_timeout = 5000`;
  await sql`PRAGMA foreign_keys = ON`;
  // What waits shall be found in memory, in 64 MiB at the most; SQLite's own measure is 2 MB.
  await sql`PRAGMA cache_size = -65536`;

  const [check] = await sql<{ quick_check: string }[]>`PRAGMA quick_check(1)`;
  if (check?.quick_check !== "ok") throw new Error("file is damaged");
  await sql.unsafe(SCHEMA);
  // A file has one server. A lease that lies in it now is a dead one's: no need to wait.
  await sql`UPDATE deliveries SET leased_until = 0 WHERE state = 'waiting' AND leased_until > 0`;
  await recount(sql);
};

/** Counts what waits, where keeping count is not enough. */
export const recount = (sql: SQL) => sql`
  UPDATE endpoints SET waiting = (
    SELECT COUNT(*) FROM deliveries WHERE endpoint_id = endpoints.id AND state = 'waiting')`;

// A gap has the id of an event that is lost, and its data are for the one who missed it.
export const gapKey = (endpointId: string, id: string) => `${endpointId} ${id}`;

const placeOf = ({ id }: FeedEvent) => {
  const cursor = parseCursor(id);
  if (!cursor) throw new TypeError(`id: ${id} is not a feed's.`);
  return cursor;
};

const insertEvents = (
  tx: TransactionSQL,
  events: readonly { event: FeedEvent; key: string; idempotencyKey?: string | undefined }[],
  now: number,
) => {
  const rows = events.map(({ event, key, idempotencyKey = null }) => {
    return { key, id: event.id, type: event.type, body: encodeBody(event), idempotencyKey };
  });
  return tx`
    INSERT INTO events (event_key, id, type, body, idempotency_key, created_at)
    SELECT value->>'key', value->>'id', value->>'type', value->>'body', value->>'idempotencyKey',
      ${now}
    FROM json_each(${JSON.stringify(rows)}) WHERE true
    ON CONFLICT (event_key) DO NOTHING`;
};

/**
 * Writes fresh events, and a delivery for each enabled endpoint that wants one, in the order of the
 * events. To some endpoints they are leased at once: that spares a claim.
 */
export const insertFresh = async (
  tx: TransactionSQL,
  fresh: readonly { event: FeedEvent; idempotencyKey: string | undefined }[],
  now: number,
  lease: { readonly ids: readonly string[]; readonly until: number },
): Promise<{ endpoint_id: string; event_key: string; leased_until: number }[]> => {
  if (fresh.length === 0) return [];
  await insertEvents(
    tx,
    fresh.map((one) => ({ ...one, key: one.event.id })),
    now,
  );
  const places = fresh.map(({ event }) => ({ ...placeOf(event), key: event.id, type: event.type }));
  return tx`
    INSERT INTO deliveries (endpoint_id, event_key, epoch, place, due_at, leased_until)
    SELECT endpoint_id, event.value->>'key', event.value->>'epoch', event.value->>'offset', ${now},
      CASE WHEN endpoint_id IN (SELECT value FROM json_each(${JSON.stringify(lease.ids)}))
        THEN ${lease.until} ELSE 0 END
    FROM json_each(${JSON.stringify(places)}) AS event
    JOIN subscriptions ON subscriptions.type IN (${ALL}, event.value->>'type')
    JOIN endpoints ON endpoints.id = endpoint_id AND disabled IS NULL
    ORDER BY event.key
    RETURNING endpoint_id, event_key, leased_until`;
};

/** Writes deliveries of events to one endpoint, or brings them back. Returns how many. */
export const insertDeliveries = async (
  tx: TransactionSQL,
  endpointId: string,
  events: readonly { key: string; epoch: number; offset: number }[],
  now: number,
): Promise<number> => {
  const added = await tx`
    INSERT INTO deliveries (endpoint_id, event_key, epoch, place, due_at)
    SELECT ${endpointId}, value->>'key', value->>'epoch', value->>'offset', ${now}
    FROM json_each(${JSON.stringify(events)}) WHERE true
    ON CONFLICT (endpoint_id, event_key) DO UPDATE
    SET state = 'waiting', failed = 0, first_at = NULL, due_at = excluded.due_at
    WHERE deliveries.state <> 'waiting'
    RETURNING event_key`;
  await tx`UPDATE endpoints SET waiting = waiting + ${added.length} WHERE id = ${endpointId}`;
  return added.length;
};

/** Puts events into one endpoint's queue, wherever they are from. */
export const enqueue = async (
  tx: TransactionSQL,
  endpointId: string,
  events: readonly FeedEvent[],
  now: number,
) => {
  const keyed = events.map((event) => {
    const key = event.type === GAP ? gapKey(endpointId, event.id) : event.id;
    return { key, event, ...placeOf(event) };
  });
  await insertEvents(tx, keyed, now);
  await insertDeliveries(
    tx,
    endpointId,
    keyed.map(({ key, epoch, offset }) => ({ key, epoch, offset })),
    now,
  );
};
