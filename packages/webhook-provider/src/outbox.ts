import { SQL, type TransactionSQL } from "bun";
import { GAP, parseCursor, Problem, type FeedEvent, type Json } from "@tidings/shared";
import type { Feed } from "@tidings/shared/server";
import type { Attempt } from "./attempt.ts";
import {
  enqueue,
  gapKey,
  insertDeliveries,
  insertFresh,
  insertTypes,
  prepare,
  recount,
  readEndpoint,
  selectEndpoints,
  type EndpointRow,
} from "./rows.ts";

/** What an endpoint's owner may change about it. */
export interface Settings {
  readonly url: string;
  /** What it wants; undefined: everything. */
  readonly types: readonly string[] | undefined;
  /** Whether a failing event holds back those behind it. */
  readonly ordered: boolean;
  /** Headers of its own, for each attempt. */
  readonly headers: Readonly<Record<string, string>>;
  /** How many attempts may begin in a second; undefined: as many as the server allows. */
  readonly ratePerSecond: number | undefined;
}

/** A registered endpoint, as it lies in the outbox. */
export interface Endpoint extends Settings {
  readonly id: string;
  /** Why nothing is sent to it; undefined while it is enabled. */
  readonly disabled: Disabled | undefined;
  readonly createdAt: number;
  /** What signs for it: its secret, and after a rotation the former one for a while. */
  readonly secrets: readonly string[];
}

/**
 * `request`: by its owner. `gone`: it answered 410. `failing`: nothing but failures for days.
 * `full`: too much waits for it.
 */
export type Disabled = "request" | "gone" | "failing" | "full";

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

export interface OutboxLimits {
  /** How many deliveries may wait for one endpoint; with more it is disabled. Default 10,000. */
  maxWaiting?: number | undefined;
  /** How many may wait in all; then nothing is taken from publishers. Default 1,000,000. */
  maxWaitingInAll?: number | undefined;
}

export interface OutboxOptions extends OutboxLimits {
  feed: Feed;
  /** Told of an endpoint that something is due for. */
  wake?: (endpointId: string) => void;
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

interface Work {
  readonly work: (tx: TransactionSQL) => Promise<() => void>;
  readonly safe: boolean;
  readonly fail: (error: unknown) => void;
}

interface Publishing {
  readonly type: string;
  readonly data: Json;
  readonly idempotencyKey: string | undefined;
  /** What the server itself has to say finds room, however full it is. */
  readonly always?: boolean;
  readonly tell: (done: { event: FeedEvent; fresh: boolean }) => void;
  readonly fail: (error: unknown) => void;
}

// A result may wait so long for others: it is no loss in a crash, for the delivery is repeated.
const RESULTS_MS = 20;
const MAX_RESULTS = 500;
const MAX_ATTEMPTS = 20;
const LISTED = 100;
// Rows that one transaction forgets, so that nobody waits for it for long.
const FORGOTTEN = 1_000;

const unwritable = () =>
  new Problem(503, "outbox: cannot be written now; come back after Retry-After.", {
    "retry-after": "5",
  });
const full = () =>
  new Problem(503, "outbox: too much waits to be delivered; come back after Retry-After.", {
    "retry-after": "60",
  });

/**
 * What is still to be delivered, on disk. A delivery is claimed with a lease: whoever holds it
 * attempts it, and when the holder dies it is due again. So nothing is lost, and what is repeated
 * has the same id.
 *
 * What one turn of the event loop asks for shares one transaction, and things of one kind share
 * their statements: a hundred publishes cost one wait for the disk.
 */
export class Outbox {
  /** Rejects when the database cannot be opened. */
  readonly opened: Promise<unknown>;
  readonly #sql: SQL;
  readonly #feed: Feed;
  readonly #wake: (endpointId: string) => void;
  readonly #maxWaiting: number;
  readonly #maxWaitingInAll: number;
  #works: Work[] = [];
  #publishing: Publishing[] = [];
  #results: Result[] = [];
  #timer: Timer | undefined;
  #draining = false;
  #safe: boolean | undefined;

  /** `database` is a file, or `:memory:`. Throws a RangeError for what names neither. */
  constructor(
    database: string,
    { feed, wake = () => {}, maxWaiting = 10_000, maxWaitingInAll = 1_000_000 }: OutboxOptions,
  ) {
    // Without a name SQLite would make a file that nobody finds again.
    if (typeof database !== "string" || database.trim() === "")
      throw new RangeError("database: must be the path of a file, or `:memory:`.");
    this.#sql = new SQL({ adapter: "sqlite", filename: database });
    this.#feed = feed;
    this.#wake = wake;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitingInAll = maxWaitingInAll;
    this.opened = prepare(this.#sql).catch((error: Error) => {
      throw new Error(`database: ${database} cannot be used: ${error.message}`);
    });
    // Whoever asks for work is told as well.
    this.opened.catch(() => {});
  }

  /**
   * Runs `work` in a transaction that it shares; so it must not throw to say "not found". `safe`:
   * somebody relies on it from then on.
   */
  #run<Value>(work: (tx: TransactionSQL) => Promise<Value>, safe = false): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const entry = async (tx: TransactionSQL) => {
      const value = await work(tx);
      return () => resolve(value);
    };
    this.#works.push({ work: entry, safe, fail: reject });
    this.#drainSoon();
    return promise;
  }

  #drainSoon() {
    if (!this.#draining) setImmediate(() => this.#drain());
    this.#draining = true;
  }

  async #drain() {
    while (this.#works.length + this.#publishing.length + this.#results.length > 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      const works = this.#works.splice(0);
      const publishing = this.#publishing.splice(0);
      const results = this.#results.splice(0);
      try {
        await this.opened;
        await this.#setSafe(publishing.length > 0 || works.some(({ safe }) => safe));
        const group = await this.#sql.begin(async (tx) => {
          const group = new Group(tx);
          if (results.length > 0) await this.#recordAll(group, results);
          for (const { work } of works) group.done.push(await work(tx));
          // Last, so that all work sees the feed and the outbox at one place.
          await this.#publishAll(group, publishing);
          return group;
        });
        // On disk: now it may be seen.
        for (const { event, idempotencyKey } of group.fresh)
          this.#feed.append(event, idempotencyKey);
        for (const tell of group.done) tell();
        for (const id of group.due) this.#wake(id);
      } catch (error) {
        console.error(error);
        for (const { fail } of [...works, ...publishing]) fail(unwritable());
      }
    }
    this.#draining = false;
  }

  /**
   * Whether a transaction survives a power cut, and not only a kill. Claims and results need not:
   * what is forgotten of them is repeated. So they don't wait for the disk.
   */
  async #setSafe(safe: boolean) {
    if (safe === this.#safe) return;
    await this.#sql.unsafe(`PRAGMA synchronous = ${safe ? "FULL" : "NORMAL"}`);
    this.#safe = safe;
  }

  /**
   * Publishes: the feed gets the event when it and a delivery for each endpoint that wants it are on
   * disk. What a key was used for before, in this life or a former one, is not published again.
   */
  publish(type: string, data: Json, idempotencyKey?: string) {
    // What is no event at all is refused before it meets others.
    this.#feed.draft(type, data);
    return new Promise<{ event: FeedEvent; fresh: boolean }>((tell, fail) => {
      this.#publishing.push({ type, data, idempotencyKey, tell, fail });
      this.#drainSoon();
    });
  }

  async #publishAll(group: Group, publishing: readonly Publishing[]): Promise<void> {
    const { tx, fresh } = group;
    const all = [...publishing, ...group.announced.splice(0)];
    if (all.length === 0) return;
    const begun = fresh.length;
    const known = await this.#published(tx, all);
    const isFull = await this.#isFull(tx);
    for (const { type, data, idempotencyKey, always, tell, fail } of all) {
      const first = idempotencyKey === undefined ? undefined : known.get(idempotencyKey);
      if (first) group.done.push(() => tell({ event: first, fresh: false }));
      else if (isFull && !always) group.done.push(() => fail(full()));
      else {
        const event = this.#feed.draft(type, data, fresh.length);
        fresh.push({ event, idempotencyKey });
        if (idempotencyKey !== undefined) known.set(idempotencyKey, event);
        group.done.push(() => tell({ event, fresh: true }));
      }
    }
    const counts = await insertFresh(tx, fresh.slice(begun), Date.now());
    const added = JSON.stringify([...counts].map(([id, count]) => ({ id, count })));
    const changed = await tx<{ id: string; disabled: Disabled | null }[]>`
      UPDATE endpoints
      SET waiting = waiting + (added.value->>'count'),
        disabled = CASE WHEN waiting + (added.value->>'count') > ${this.#maxWaiting}
          THEN 'full' END
      FROM json_each(${added}) AS added WHERE endpoints.id = added.value->>'id'
      RETURNING endpoints.id, disabled`;
    for (const id of counts.keys()) group.due.add(id);
    for (const { id, disabled } of changed) if (disabled) group.announce(id, disabled);
    await this.#publishAll(group, []);
  }

  /** What was published with these idempotency keys: as far as the feed reaches, and the file. */
  async #published(tx: TransactionSQL, publishing: readonly Publishing[]) {
    const known = new Map<string, FeedEvent>();
    const asked: string[] = [];
    for (const { idempotencyKey: key } of publishing) {
      const event = key === undefined ? undefined : this.#feed.published(key);
      if (key !== undefined && event) known.set(key, event);
      else if (key !== undefined) asked.push(key);
    }
    if (asked.length === 0) return known;
    const rows = await tx<{ id: string; type: string; body: string; idempotency_key: string }[]>`
      SELECT events.id, events.type, body, idempotency_key
      FROM json_each(${JSON.stringify(asked)}) AS asked JOIN events ON idempotency_key = asked.value`;
    for (const { id, type, body, idempotency_key } of rows) {
      const { timestamp: time, data } = JSON.parse(body);
      known.set(idempotency_key, { id, type, time, data });
    }
    return known;
  }

  async #isFull(tx: TransactionSQL): Promise<boolean> {
    const [sum] = await tx<{ waiting: number }[]>`
      SELECT COALESCE(SUM(waiting), 0) AS waiting FROM endpoints`;
    return Number(sum?.waiting) >= this.#maxWaitingInAll;
  }

  /** Writes an endpoint, and what it missed: both or neither. Returns the place it begins at. */
  register(endpoint: Endpoint, missed: () => readonly FeedEvent[] = () => []): Promise<string> {
    const { id, url, ordered, secrets, createdAt, types, headers, ratePerSecond } = endpoint;
    return this.#run(async (tx) => {
      await tx`
        INSERT INTO endpoints (id, url, ordered, headers, rate_per_second, secret, created_at)
        VALUES (${id}, ${url}, ${Number(ordered)}, ${JSON.stringify(headers)},
          ${ratePerSecond ?? null}, ${secrets[0]}, ${createdAt})`;
      await insertTypes(tx, id, types);
      await enqueue(tx, id, missed(), createdAt);
      return this.#feed.cursor;
    }, true);
  }

  /** Puts those of the events that an endpoint wants into its queue again. */
  replay(id: string, events: readonly FeedEvent[], now = Date.now()): Promise<boolean> {
    return this.#change(id, (tx, row) => {
      const { types } = readEndpoint(row, now);
      const wanted = events.filter(({ type }) => !types || type === GAP || types.includes(type));
      return enqueue(tx, id, wanted, now);
    });
  }

  /** Puts one event that is still kept into an endpoint's queue again, whatever its type is. */
  replayOne(id: string, eventId: string, now = Date.now()): Promise<boolean> {
    return this.#change(id, async (tx) => {
      const [event] = await tx<{ event_key: string }[]>`
        SELECT event_key FROM events WHERE event_key IN (${eventId}, ${gapKey(id, eventId)})
        ORDER BY event_key LIMIT 1`;
      const cursor = parseCursor(eventId);
      if (!event || !cursor) return false;
      return insertDeliveries(tx, id, [{ key: event.event_key, ...cursor }], now);
    });
  }

  /**
   * Takes up to `limit` due deliveries of an endpoint, for `leaseMs`; of an ordered one those at
   * the head of the line. `nextAt`: when another one will be due. [PROVIDER-15]
   */
  claim(endpointId: string, limit: number, leaseMs: number, now = Date.now()) {
    return this.#run(async (tx) => {
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
      const end = line.findIndex((one) => !isFree(one) || Number(one.due_at) > now);
      const taken = line.slice(0, Math.min(limit, end === -1 ? limit : end));
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
      const nextAt = next && isFree(next) ? Number(next.due_at) : undefined;
      return { endpoint: readEndpoint(row, now), due, nextAt };
    });
  }

  /** Gives back what was claimed and not attempted. */
  release(endpointId: string, due: readonly Due[]): Promise<unknown> {
    const keys = JSON.stringify(due.map(({ key }) => key));
    return this.#run(
      (tx) => tx`
        UPDATE deliveries SET leased_until = 0
        WHERE endpoint_id = ${endpointId} AND event_key IN (SELECT value FROM json_each(${keys}))`,
    );
  }

  /**
   * Keeps how an attempt went, soon, and ends the lease. The endpoint is disabled when it is gone, or
   * when an event has used up its schedule and no other was accepted meanwhile either. [PROVIDER-12]
   */
  record(result: Result): void {
    this.#results.push(result);
    if (this.#results.length >= MAX_RESULTS) this.#drainSoon();
    else this.#timer ??= setTimeout(() => this.#drainSoon(), RESULTS_MS);
  }

  async #recordAll(group: Group, results: readonly Result[]) {
    const { tx } = group;
    const rows = results.map(
      ({ endpointId, due, attempt: { askedMs: _, ...attempt }, ...rest }) => {
        const { state, dueAt = attempt.at } = rest;
        const failed = Number(state !== "delivered");
        return [endpointId, due.key, state, dueAt, failed, attempt.at, JSON.stringify(attempt)];
      },
    );
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
    const endpoints = new Map<
      string,
      { ended: number; accepted: number; failedAt: number | null }
    >();
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
    for (const { endpointId, due, attempt, state } of results) {
      if (state !== "dead") continue;
      const reason: Disabled = attempt.status === 410 ? "gone" : "failing";
      const [disabled] = await tx`
        UPDATE endpoints SET disabled = ${reason}
        WHERE id = ${endpointId} AND disabled IS NULL
          AND (${reason} = 'gone' OR failing_since <= ${Math.min(due.firstAt ?? Infinity, attempt.at)})
        RETURNING id`;
      if (disabled) group.announce(endpointId, reason);
    }
  }

  endpoints(now = Date.now()): Promise<Endpoint[]> {
    return this.#run(async (tx) =>
      (await selectEndpoints(tx, tx`1 = 1`)).map((row) => readEndpoint(row, now)),
    );
  }

  /**
   * One endpoint, and how many deliveries wait for it. With none, all up to `cursor` was delivered
   * or was not wanted. [PROVIDER-7]
   */
  endpoint(id: string, now = Date.now()) {
    return this.#run(async (tx) => {
      const [row] = await selectEndpoints(tx, tx`id = ${id}`);
      if (!row) return undefined;
      return { ...readEndpoint(row, now), waiting: Number(row.waiting), cursor: this.#feed.cursor };
    });
  }

  /** The newest hundred deliveries of an endpoint, each with its attempts. */
  deliveries(endpointId: string): Promise<Delivery[]> {
    return this.#run(async (tx) => {
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
    });
  }

  /** Changes what is named. `types` and `ratePerSecond` may be named as undefined. */
  change(id: string, change: Partial<Settings>): Promise<boolean> {
    return this.#change(id, async (tx, row) => {
      const { url, types, ordered, headers, ratePerSecond } = {
        ...readEndpoint(row, 0),
        ...change,
      };
      await tx`
        UPDATE endpoints
        SET url = ${url}, ordered = ${Number(ordered)}, headers = ${JSON.stringify(headers)},
          rate_per_second = ${ratePerSecond ?? null}
        WHERE id = ${id}`;
      await tx`DELETE FROM subscriptions WHERE endpoint_id = ${id}`;
      await insertTypes(tx, id, types);
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
      const [row] = await selectEndpoints(tx, tx`id = ${id}`);
      return row !== undefined && (await work(tx, row)) !== false;
    }, true);
  }

  /** Forgets what was delivered long ago, a piece at a time, and what is too much. */
  async prune({ before, maxKept, maxDead }: Keep): Promise<void> {
    const isMore = await this.#run(async (tx) => {
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
    });
    if (isMore) await this.prune({ before, maxKept, maxDead });
  }

  /** Ends it, after all that was asked for. */
  async close(): Promise<void> {
    await this.#run(async () => {});
    await this.#sql.close();
  }
}

/** What shares one transaction. */
class Group {
  readonly tx: TransactionSQL;
  /** What is told to those who asked, once all is on disk. */
  readonly done: (() => void)[] = [];
  readonly fresh: { event: FeedEvent; idempotencyKey: string | undefined }[] = [];
  readonly due = new Set<string>();
  readonly announced: Publishing[] = [];

  constructor(tx: TransactionSQL) {
    this.tx = tx;
  }

  /** Publishes in the same transaction why an endpoint is disabled. */
  announce(endpoint: string, reason: Disabled) {
    const data = { endpoint, reason };
    const ignore = () => {};
    this.announced.push({
      type: "endpoint.disabled",
      data,
      idempotencyKey: undefined,
      always: true,
      tell: ignore,
      fail: ignore,
    });
  }
}
