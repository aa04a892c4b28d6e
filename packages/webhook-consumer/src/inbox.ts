import { Database } from "bun:sqlite";

export interface InboxOptions {
  /** Where the inbox lies: a file, or `:memory:`, the default, which ends with the process. */
  database?: string | undefined;
  /** How long an id is kept, in milliseconds. Default 604,800,000: a week, twice a provider's retries. */
  keepMs?: number | undefined;
  /** How many ids are kept at the most. Default 1,000,000. */
  maxKept?: number | undefined;
}

/**
 * The ids that have arrived. Providers deliver at least once; the inbox makes it once: an id is
 * reserved, processed, then committed. When the processing fails the reservation is released, so
 * that the retry is processed.
 */
export class Inbox {
  readonly #db: Database;
  readonly #keepMs: number;
  readonly #maxKept: number;
  readonly #running = new Map<string, Promise<void>>();

  constructor({
    database = ":memory:",
    keepMs = 604_800_000,
    maxKept = 1_000_000,
  }: InboxOptions = {}) {
    this.#keepMs = keepMs;
    this.#maxKept = maxKept;
    this.#db = new Database(database);
    this.#db.run("PRAGMA journal_mode = WAL");
    this.#db.run("PRAGMA busy_timeout = 5000");
    this.#db.run(`
      CREATE TABLE IF NOT EXISTS inbox (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        committed INTEGER NOT NULL,
        arrived_at INTEGER NOT NULL
      )`);
    this.#db.run("CREATE INDEX IF NOT EXISTS inbox_arrived_at ON inbox (arrived_at)");
    // A reservation that lies here now is a dead process's: its retry shall be processed.
    this.#db.run("DELETE FROM inbox WHERE committed = 0");
  }

  /**
   * Processes what has this id, unless that was done before. Who comes while it is being done
   * waits for the outcome. True when `work` ran for this call. Throws what `work` throws.
   */
  async once(id: string, work: () => unknown, now = Date.now()): Promise<boolean> {
    const running = this.#running.get(id);
    if (running) return running.then(() => false);
    // 1. reserve
    const reserve = this.#db.query(
      "INSERT INTO inbox (id, committed, arrived_at) VALUES (?, 0, ?) ON CONFLICT (id) DO NOTHING",
    );
    if (reserve.run(id, now).changes === 0) return false;
    const done = this.#process(id, work, now).finally(() => this.#running.delete(id));
    this.#running.set(id, done);
    await done;
    return true;
  }

  async #process(id: string, work: () => unknown, now: number) {
    try {
      // 2. process
      await work();
      // 3. commit
      this.#db.query("UPDATE inbox SET committed = 1 WHERE id = ?").run(id);
    } catch (error) {
      // … or release
      this.#db.query("DELETE FROM inbox WHERE id = ?").run(id);
      throw error;
    }
    this.#db.query("DELETE FROM inbox WHERE arrived_at < ?").run(now - this.#keepMs);
    this.#db
      .query("DELETE FROM inbox WHERE place <= (SELECT MAX(place) FROM inbox) - ?")
      .run(this.#maxKept);
  }

  /** How many ids are kept. */
  get size(): number {
    return (
      this.#db.query<{ size: number }, []>("SELECT COUNT(*) AS size FROM inbox").get()?.size ?? 0
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running.values());
    this.#db.close();
  }
}
