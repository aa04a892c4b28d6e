import { SQL, type TransactionSQL } from "bun";
import { Problem, type FeedEvent, type Json } from "@tidings/shared";
import type { Feed } from "@tidings/shared/server";
import { Group, publishAll, type Publishing, type Ready, type Room } from "./publishing.ts";
import {
  claim,
  deliveries,
  prune,
  recordAll,
  release,
  replay,
  replayOne,
  type Delivery,
  type Due,
  type Keep,
  type Result,
} from "./queue.ts";
import {
  changeEndpoint,
  insertEndpoint,
  readEndpoint,
  selectEndpoints,
  type Disabled,
  type Endpoint,
  type EndpointRow,
  type Settings,
} from "./registry.ts";
import { enqueue, prepare } from "./rows.ts";

export interface OutboxLimits {
  /** How many deliveries may wait for one endpoint; with more it is disabled. Default 10,000. */
  maxWaiting?: number | undefined;
  /**
   * How many may wait for all that are enabled; then nothing is taken from publishers. Default
   * 1,000,000.
   */
  maxWaitingInAll?: number | undefined;
}

export interface OutboxOptions extends OutboxLimits {
  feed: Feed;
  /** Told of an endpoint that something is due for, and what of it is leased to it already. */
  wake?: (endpointId: string, due: readonly Due[]) => void;
  /** Whom a delivery is leased to as it is published. Default: nobody. */
  ready?: () => Ready;
}

interface Work {
  readonly work: (tx: TransactionSQL) => Promise<() => void>;
  readonly safe: boolean;
  readonly fail: (error: unknown) => void;
}

// A result may wait so long for others: it is no loss in a crash, for the delivery is repeated.
const RESULTS_MS = 20;
const MAX_RESULTS = 500;

const nobody = (): Ready => ({ ids: [], leaseMs: 0 });

const unwritable = () =>
  new Problem(503, "outbox: cannot be written now; come back after Retry-After.", {
    "retry-after": "5",
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
  readonly #wake: (endpointId: string, due: readonly Due[]) => void;
  readonly #room: Room;
  #works: Work[] = [];
  #publishing: Publishing[] = [];
  #results: Result[] = [];
  #timer: Timer | undefined;
  #draining = false;
  #safe: boolean | undefined;

  /** `database` is a file, or `:memory:`. Throws a RangeError for what names neither. */
  constructor(
    database: string,
    { feed, wake = () => {}, ready = nobody, ...limits }: OutboxOptions,
  ) {
    const { maxWaiting = 10_000, maxWaitingInAll = 1_000_000 } = limits;
    // Without a name SQLite would make a file that nobody finds again.
    if (typeof database !== "string" || database.trim() === "")
      throw new RangeError("database: must be the path of a file, or `:memory:`.");
    this.#sql = new SQL({ adapter: "sqlite", filename: database });
    this.#feed = feed;
    this.#wake = wake;
    this.#room = { feed, maxWaiting, maxWaitingInAll, ready };
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
          if (results.length > 0)
            for (const { id, reason } of await recordAll(tx, results)) group.announce(id, reason);
          for (const { work } of works) group.done.push(await work(tx));
          // Last, so that all work sees the feed and the outbox at one place.
          await publishAll(this.#room, group, publishing);
          return group;
        });
        // On disk: now it may be seen.
        for (const { event, idempotencyKey } of group.fresh)
          this.#feed.append(event, idempotencyKey);
        for (const tell of group.done) tell();
        // After those who were told: they may have changed an endpoint, and nothing more is sent by
        // its former settings.
        setImmediate(() => {
          for (const [id, due] of group.due) this.#wake(id, due);
        });
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

  /** Writes an endpoint, and what it missed: both or neither. Returns the place it begins at. */
  register(endpoint: Endpoint, missed: () => readonly FeedEvent[] = () => []): Promise<string> {
    return this.#run(async (tx) => {
      await insertEndpoint(tx, endpoint);
      await enqueue(tx, endpoint.id, missed(), endpoint.createdAt);
      return this.#feed.cursor;
    }, true);
  }

  /** Puts those of the events that an endpoint wants into its queue again. */
  replay(id: string, events: readonly FeedEvent[], now = Date.now()): Promise<boolean> {
    return this.#change(id, (tx, row) => replay(tx, row, events, now));
  }

  /** Puts one event that is still kept into an endpoint's queue again, whatever its type is. */
  replayOne(id: string, eventId: string, now = Date.now()): Promise<boolean> {
    return this.#change(id, (tx) => replayOne(tx, id, eventId, now));
  }

  /** Takes deliveries that are due, for `leaseMs`. */
  claim(id: string, limit: number, leaseMs: number, now = Date.now()) {
    return this.#run((tx) => claim(tx, id, limit, leaseMs, now));
  }

  /** Gives back what was claimed and not attempted. */
  release(id: string, due: readonly Due[]): Promise<unknown> {
    return this.#run((tx) => release(tx, id, due));
  }

  /** Keeps how an attempt went, soon, and ends the lease. */
  record(result: Result): void {
    this.#results.push(result);
    if (this.#results.length >= MAX_RESULTS) this.#drainSoon();
    else this.#timer ??= setTimeout(() => this.#drainSoon(), RESULTS_MS);
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
  deliveries(id: string): Promise<Delivery[]> {
    return this.#run((tx) => deliveries(tx, id));
  }

  /** Changes what is named. `types` and `ratePerSecond` may be named as undefined. */
  change(id: string, change: Partial<Settings>): Promise<boolean> {
    return this.#change(id, (tx, row) => changeEndpoint(tx, row, change));
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
  async prune(keep: Keep): Promise<void> {
    while (await this.#run((tx) => prune(tx, keep)));
  }

  /** Ends it, after all that was asked for. */
  async close(): Promise<void> {
    await this.#run(async () => {});
    await this.#sql.close();
  }
}
