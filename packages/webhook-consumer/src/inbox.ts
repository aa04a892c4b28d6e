import { Database } from "bun:sqlite";
import type { FeedEvent } from "@tidings/shared";
import { pause } from "@tidings/shared/client";
import { SENDERS, type Sender } from "./verify.ts";

export interface InboxOptions {
  /**
   * Where the inbox lies: a file, which one process has for its own, or `:memory:`, which ends
   * with the process. Default `:memory:`.
   */
  database?: string | undefined;
  /** How many events may wait to be processed; more is a 503. Default 10,000. */
  maxWaiting?: number | undefined;
  /** How long an id is known, in milliseconds. Default 604,800,000: a week, twice a provider's retries. */
  keepMs?: number | undefined;
  /** How many ids of processed events are known at the most. Default 1,000,000. */
  maxKept?: number | undefined;
  /** The first pause before a failed event is tried again, in milliseconds; it doubles. Default 1,000. */
  minRetryMs?: number | undefined;
  /** The longest such pause, in milliseconds. Default 60,000. */
  maxRetryMs?: number | undefined;
}

/** Processes an event; it failed when this throws. `attempt` is 1 when it was never begun before. */
export type Process = (event: FeedEvent, sender: Sender, attempt: number) => unknown;

/** What became of an event: it is on disk now, it was before, or there is no room for it. */
export type Outcome = "stored" | "duplicate" | "full";

interface Waiting {
  readonly place: number;
  readonly id: string;
  readonly event: string;
  readonly attempts: number;
}

// `event` is null as soon as it was processed: what remains is the id, for duplicates.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS inbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    event TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    arrived_at INTEGER NOT NULL,
    UNIQUE (sender, id)
  );
  CREATE INDEX IF NOT EXISTS waiting ON inbox (sender, place) WHERE event IS NOT NULL;
  CREATE INDEX IF NOT EXISTS processed ON inbox (arrived_at) WHERE event IS NULL;
`;

// How long quick work may keep a turn of the event loop.
const TURN_MS = 5;

const open = (database: string): Database => {
  // Without a name SQLite would make a file that nobody finds again.
  if (typeof database !== "string" || database.trim() === "")
    throw new RangeError("database: must be the path of a file, or `:memory:`.");
  try {
    const db = new Database(database);
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA busy_timeout = 5000");
    db.run(SCHEMA);
    return db;
  } catch (error) {
    throw new RangeError(`database: ${database} cannot be opened as one: ${error}`);
  }
};

/**
 * What has arrived, each id once: an event is put on disk, reserved, processed, committed, and
 * released when its processing fails [CONSUMER-7]. The events of one sender are processed one at a
 * time, in the order in which they arrived, so one that fails holds back those behind it until it
 * succeeds: nothing is lost, nothing is out of order, and a full inbox tells the provider to keep
 * the rest. [CONSUMER-13]
 *
 * When the process dies between the effect of an event and its commit, the event is processed
 * again: at least once. It is exactly once where the effect is idempotent by the event's id, or
 * where `process` writes effect and id into one database in one transaction.
 */
export class Inbox {
  readonly #process: Process;
  readonly #db: Database;
  readonly #options: Required<{ [name in keyof InboxOptions]: NonNullable<InboxOptions[name]> }>;
  readonly #closing = new AbortController();
  // The senders whose events are being processed, and whether more came meanwhile.
  readonly #lines = new Map<Sender, { more: boolean; ended: Promise<void> }>();
  #queue: { run: () => () => void; fail: (error: unknown) => void; durable: boolean }[] = [];
  // How many more may be put, while a transaction runs that puts.
  #room = 0;

  constructor(
    process: Process,
    {
      database = ":memory:",
      maxWaiting = 10_000,
      keepMs = 604_800_000,
      maxKept = 1_000_000,
      minRetryMs = 1_000,
      maxRetryMs = 60_000,
    }: InboxOptions = {},
  ) {
    this.#process = process;
    this.#options = { database, maxWaiting, keepMs, maxKept, minRetryMs, maxRetryMs };
    this.#db = open(database);
    // What a former life has left is taken up where it was: its reservations died with it.
    for (const sender of SENDERS) this.#wake(sender);
  }

  /** How many events wait to be processed, or are being processed. */
  get waiting(): number {
    const count = this.#db.query<{ waiting: number }, []>(
      "SELECT COUNT(*) AS waiting FROM inbox WHERE event IS NOT NULL",
    );
    return count.get()?.waiting ?? 0;
  }

  /** Puts an event on disk, to be processed afterwards. */
  async put(sender: Sender, event: FeedEvent): Promise<Outcome> {
    if (this.#closing.signal.aborted) return "full";
    const json = JSON.stringify(event);
    const durable = true;
    return this.#write((): Outcome => {
      if (this.#room <= 0) return this.#knows(sender, event.id) ? "duplicate" : "full";
      const { changes } = this.#db
        .query(
          `INSERT INTO inbox (sender, id, event, arrived_at) VALUES (?, ?, ?, ?)
           ON CONFLICT (sender, id) DO NOTHING`,
        )
        .run(sender, event.id, json, Date.now());
      if (changes === 0) return "duplicate";
      this.#room--;
      this.#wake(sender);
      return "stored";
    }, durable);
  }

  /** Lets what is being processed end, and begins nothing anew. What waits is left on disk. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#lines.values()].map(({ ended }) => ended));
    await this.#write(() => {});
    this.#db.close();
  }

  #wake(sender: Sender) {
    const line = this.#lines.get(sender);
    if (line) line.more = true;
    else {
      const opened = { more: false, ended: Promise.resolve() };
      this.#lines.set(sender, opened);
      opened.ended = this.#work(sender, opened);
    }
  }

  async #work(sender: Sender, line: { more: boolean }) {
    const { signal } = this.#closing;
    const { minRetryMs, maxRetryMs } = this.#options;
    let next: Waiting | undefined;
    let processed: Waiting | undefined;
    let turnEndsAt = 0;
    for (;;)
      try {
        // One transaction commits what was processed and reserves what comes next. Quick work goes
        // on for a while within one turn of the event loop, so that it keeps up with what arrives.
        const step = () => {
          if (processed) this.#commit(processed);
          line.more = false;
          return signal.aborted ? undefined : this.#reserve(sender);
        };
        if (performance.now() < turnEndsAt) next = this.#transact(step);
        else {
          next = await this.#write(step);
          turnEndsAt = performance.now() + TURN_MS;
        }
        if (!next && line.more && !signal.aborted) continue;
        if (!next || signal.aborted) break;
        await this.#process(JSON.parse(next.event), sender, next.attempts);
        processed = next;
      } catch (error) {
        // Released: it is still the first in line, so that it is the next one again. A commit that
        // failed is repeated with the next step.
        const { id = "–", attempts = 1 } = next ?? {};
        console.error(`The inbox holds ${sender} back at ${id}, attempt ${attempts}:`, error);
        if (signal.aborted) break;
        await pause(Math.min(maxRetryMs, minRetryMs * 2 ** (attempts - 1)), signal);
      }
    this.#lines.delete(sender);
  }

  #reserve(sender: Sender): Waiting | undefined {
    const reserve = this.#db.query<Waiting, [string]>(`
      UPDATE inbox SET attempts = attempts + 1 WHERE place = (
        SELECT place FROM inbox WHERE sender = ? AND event IS NOT NULL ORDER BY place LIMIT 1)
      RETURNING place, id, event, attempts`);
    return reserve.get(sender) ?? undefined;
  }

  #commit({ place }: Waiting) {
    this.#db.query("UPDATE inbox SET event = NULL WHERE place = ?").run(place);
    const { keepMs, maxKept } = this.#options;
    this.#db
      .query("DELETE FROM inbox WHERE event IS NULL AND arrived_at < ?")
      .run(Date.now() - keepMs);
    this.#db
      .query(
        `DELETE FROM inbox
         WHERE event IS NULL AND place <= (SELECT MAX(place) FROM inbox) - ?`,
      )
      .run(maxKept);
  }

  #knows(sender: Sender, id: string): boolean {
    return (
      this.#db.query("SELECT 1 FROM inbox WHERE sender = ? AND id = ?").get(sender, id) !== null
    );
  }

  /** Runs `work` in the transaction that all share who ask for one in this turn of the event loop. */
  #write<Result>(work: () => Result, durable = false): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const run = () => {
      const result = work();
      return () => resolve(result);
    };
    this.#queue.push({ run, fail: reject, durable });
    if (this.#queue.length === 1) setImmediate(() => this.#flush());
    return promise;
  }

  // A 2xx is a promise, so a new event is written through to the disk. A commit that a power failure
  // takes back only means that its event is processed again.
  #transact<Result>(work: () => Result, durable = false): Result {
    this.#db.run(`PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}`);
    return this.#db.transaction(work)();
  }

  #flush() {
    let tell: (() => void)[] = [];
    try {
      const durable = this.#queue.some((entry) => entry.durable);
      this.#transact(() => {
        if (durable) this.#room = this.#options.maxWaiting - this.waiting;
        // An event that is put wakes its line, whose own work joins the queue on the way.
        for (const { run } of this.#queue) tell.push(run());
      }, durable);
    } catch (error) {
      tell = this.#queue.map((entry) => () => entry.fail(error));
    }
    this.#queue = [];
    for (const one of tell) one();
  }
}
