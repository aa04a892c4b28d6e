import type { TransactionSQL } from "bun";
import { GAP, parseCursor, type FeedEvent } from "@tidings/shared";
import type { Attempt } from "./attempt.ts";
import { readEndpoint, selectEndpoints, type Disabled, type EndpointRow } from "./registry.ts";
import { enqueue, gapKey, insertDeliveries, recount } from "./rows.ts";

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

/** What became of an attempt. */
export interface Result {
  readonly endpointId: string;
  readonly due: Due;
  readonly attempt: Attempt;
  readonly state: State;
  /** When a delivery that waits is due again. */
  readonly dueAt?: number | undefined;
}

/** A delivery, as its endpoint's owner sees it. */
export interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly state: State;
  readonly dueAt: number | undefined;
  readonly attempts: readonly Omit<Attempt, "askedMs">[];
}

/** What is forgotten, and when. */
export interface Keep {
  /** What was delivered before this is forgotten. */
  readonly before: number;
  /** So many events are kept at the most, beside those that a delivery needs. */
  readonly maxKept: number;
  /** So many dead letters are kept at the most, however old. */
  readonly maxDead: number;
}

// The queue of each endpoint, in statements that share somebody else's transaction (outbox.ts).

/** How many characters of bodies one claim brings into memory, or else one body. */
export const CLAIMED_CHARS = 2 ** 18;
const MAX_ATTEMPTS = 20;
const LISTED = 100;
// Rows that one transaction forgets, so that nobody waits for it for long.
const FORGOTTEN = 1_000;

/**
 * Takes up to `limit` due deliveries of an endpoint, for `leaseMs`; of an ordered one those at
 * the head of the line. `nextAt`: when another one is due. [PROVIDER-15]
 */
export const claim = async (
  tx: TransactionSQL,
  endpointId: string,
  limit: number,
  leaseMs: number,
  now: number,
) => {
  const [row] = await selectEndpoints(tx, tx`id = ${endpointId} AND disabled IS NULL`);
  if (!row) return undefined;
  const order = row.ordered
    ? tx`ORDER BY epoch, place`
    : tx`AND leased_until <= ${now} ORDER BY due_at, epoch, place`;
  // One more than is taken, to see what comes next. On Postgres: FOR UPDATE SKIP LOCKED.
  const line = await tx<
    {
      event_key: string;
      id: string;
      body: string;
      failed: number;
      first_at: number | null;
      due_at: number;
      leased_until: number;
    }[]
  >`
    SELECT deliveries.event_key, events.id, body, failed, first_at, due_at, leased_until
    FROM deliveries JOIN events ON events.event_key = deliveries.event_key
    WHERE endpoint_id = ${endpointId} AND state = 'waiting' ${order} LIMIT ${limit + 1}`;
  const isFree = (one: { leased_until: number }) => Number(one.leased_until) <= now;
  const taken: (typeof line)[number][] = [];
  let chars = 0;
  for (const one of line.slice(0, limit)) {
    chars += one.body.length;
    const isMuch = taken.length > 0 && chars > CLAIMED_CHARS;
    if (isMuch || !isFree(one) || Number(one.due_at) > now) break;
    taken.push(one);
  }
  const next = line[taken.length];
  const keys = JSON.stringify(taken.map((one) => one.event_key));
  await tx`
    UPDATE deliveries SET leased_until = ${now + leaseMs}
    WHERE endpoint_id = ${endpointId} AND event_key IN (SELECT value FROM json_each(${keys}))`;
  const due = taken.map(({ event_key: key, id, body, failed, first_at }): Due => ({
    key,
    id,
    body,
    failed: Number(failed),
    firstAt: first_at === null ? undefined : Number(first_at),
  }));
  // The head of an ordered line may be leased to an attempt that was never made: it holds the line
  // until its lease ends.
  const nextAt =
    next && Math.max(Number(next.due_at), isFree(next) ? 0 : Number(next.leased_until));
  return { endpoint: readEndpoint(row, now), due, nextAt };
};

/** Gives back what was claimed and not attempted. */
export const release = (tx: TransactionSQL, endpointId: string, due: readonly Due[]) => {
  const keys = JSON.stringify(due.map(({ key }) => key));
  return tx`
    UPDATE deliveries SET leased_until = 0
    WHERE endpoint_id = ${endpointId} AND event_key IN (SELECT value FROM json_each(${keys}))`;
};

/**
 * Keeps how attempts went, and ends their leases. An endpoint is disabled when it is gone, or when
 * an event has used up its schedule and no other was accepted meanwhile either: returned are those,
 * and why. [PROVIDER-12]
 */
export const recordAll = async (tx: TransactionSQL, results: readonly Result[]) => {
  const rows = results.map(({ endpointId, due, attempt: { askedMs: _, ...attempt }, ...rest }) => {
    const { state, dueAt = attempt.at } = rest;
    const failed = Number(state !== "delivered");
    return [endpointId, due.key, state, dueAt, failed, attempt.at, JSON.stringify(attempt)];
  });
  const { count } = await tx`
    UPDATE deliveries
    SET state = value->>2, due_at = value->>3, leased_until = 0, failed = failed + (value->>4),
      first_at = COALESCE(first_at, value->>5),
      attempts = CASE
        WHEN attempts = '[]' THEN '[' || (value->>6) || ']'
        WHEN json_array_length(attempts) < ${MAX_ATTEMPTS}
          THEN json_insert(attempts, '$[#]', json(value->>6))
        ELSE json_insert(json_remove(attempts, '$[0]'), '$[#]', json(value->>6)) END
    FROM json_each(${JSON.stringify(rows)})
    WHERE endpoint_id = value->>0 AND event_key = value->>1 AND state = 'waiting'`;
  const endpoints = new Map<string, { ended: number; accepted: number; failedAt: number | null }>();
  for (const { endpointId, state, attempt } of results) {
    const { ended = 0, accepted = 0, failedAt = null } = endpoints.get(endpointId) ?? {};
    endpoints.set(endpointId, {
      ended: ended + Number(state !== "waiting"),
      ...(state === "delivered"
        ? { accepted: 1, failedAt: null }
        : { accepted, failedAt: failedAt ?? attempt.at }),
    });
  }
  const changes = JSON.stringify([...endpoints].map(([id, change]) => ({ id, ...change })));
  await tx`
    UPDATE endpoints
    SET waiting = waiting - (change.value->>'ended'),
      failing_since = CASE WHEN (change.value->>'accepted') = 1 THEN change.value->>'failedAt'
        ELSE COALESCE(failing_since, change.value->>'failedAt') END
    FROM json_each(${changes}) AS change WHERE endpoints.id = change.value->>'id'`;
  // Some did not wait any more: the endpoint was deleted, or a repetition was faster.
  if (count !== results.length) await recount(tx);
  const disabled: { id: string; reason: Disabled }[] = [];
  for (const { endpointId, due, attempt, state } of results) {
    if (state !== "dead") continue;
    const reason: Disabled = attempt.status === 410 ? "gone" : "failing";
    const [changed] = await tx`
      UPDATE endpoints SET disabled = ${reason}
      WHERE id = ${endpointId} AND disabled IS NULL
        AND (${reason} = 'gone' OR failing_since <= ${Math.min(due.firstAt ?? Infinity, attempt.at)})
      RETURNING id`;
    if (changed) disabled.push({ id: endpointId, reason });
  }
  return disabled;
};

/** Puts those of the events that an endpoint wants into its queue again. */
export const replay = (
  tx: TransactionSQL,
  row: EndpointRow,
  events: readonly FeedEvent[],
  now: number,
) => {
  const { types } = readEndpoint(row, now);
  const wanted = events.filter(({ type }) => !types || type === GAP || types.includes(type));
  return enqueue(tx, row.id, wanted, now);
};

/** Puts one event that is still kept into an endpoint's queue again, whatever its type is. */
export const replayOne = async (tx: TransactionSQL, id: string, eventId: string, now: number) => {
  const [event] = await tx<{ event_key: string }[]>`
    SELECT event_key FROM events WHERE event_key IN (${eventId}, ${gapKey(id, eventId)})
    ORDER BY event_key LIMIT 1`;
  const cursor = parseCursor(eventId);
  if (!event || !cursor) return false;
  return insertDeliveries(tx, id, [{ key: event.event_key, ...cursor }], now);
};

/** The newest hundred deliveries of an endpoint, each with its attempts. */
export const deliveries = async (tx: TransactionSQL, endpointId: string): Promise<Delivery[]> => {
  const rows = await tx<
    { id: string; type: string; state: State; due_at: number; attempts: string }[]
  >`
    SELECT id, type, state, due_at, attempts
    FROM deliveries JOIN events ON events.event_key = deliveries.event_key
    WHERE endpoint_id = ${endpointId} ORDER BY epoch DESC, place DESC LIMIT ${LISTED}`;
  return rows.map(({ id, type, state, due_at, attempts }) => ({
    id,
    type,
    state,
    dueAt: state === "waiting" ? Number(due_at) : undefined,
    attempts: JSON.parse(attempts),
  }));
};

/** Forgets a piece of what was delivered long ago, or is too much. Returns whether there is more. */
export const prune = async (tx: TransactionSQL, { before, maxKept, maxDead }: Keep) => {
  const [dead] = await tx<{ at: number }[]>`
    SELECT due_at AS at FROM deliveries WHERE state = 'dead'
    ORDER BY due_at DESC LIMIT 1 OFFSET ${maxDead}`;
  const [crowded] = await tx<{ at: number }[]>`
    SELECT created_at AS at FROM events ORDER BY created_at DESC LIMIT 1 OFFSET ${maxKept}`;
  const tooOld = Number(crowded?.at ?? -1);
  const old = tx`
    created_at < ${before} OR created_at <= ${tooOld}`;
  const dropped = await tx`
    DELETE FROM deliveries WHERE (endpoint_id, event_key) IN (
      SELECT endpoint_id, event_key FROM deliveries
      WHERE state = 'dead' AND due_at <= ${Number(dead?.at ?? -1)} LIMIT ${FORGOTTEN})`;
  const delivered = await tx`
    DELETE FROM deliveries WHERE (endpoint_id, event_key) IN (
      SELECT endpoint_id, deliveries.event_key FROM events
      JOIN deliveries ON deliveries.event_key = events.event_key
      WHERE (${old}) AND state = 'delivered'
        AND (due_at < ${before} OR created_at <= ${tooOld}) LIMIT ${FORGOTTEN})`;
  const events = await tx`
    DELETE FROM events WHERE event_key IN (
      SELECT event_key FROM events
      WHERE (${old}) AND NOT EXISTS (
        SELECT 1 FROM deliveries WHERE event_key = events.event_key)
      LIMIT ${FORGOTTEN})`;
  return [dropped, delivered, events].some(({ count }) => count === FORGOTTEN);
};
