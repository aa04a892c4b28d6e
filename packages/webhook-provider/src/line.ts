import type { Seats } from "./seats.ts";
import type { Outbox, OutboxLimits } from "./outbox.ts";
import { CLAIMED_CHARS, type Due } from "./queue.ts";
import type { Endpoint } from "./registry.ts";

/** How a delivery went, as far as the line is concerned. */
export interface Outcome {
  readonly accepted: boolean;
  /** Whether the receiver asked to be spared: one at a time, until it accepts one. */
  readonly slow: boolean;
}

export interface LineOptions extends OutboxLimits {
  /** How many attempts for one endpoint may run at a time. Default 8. */
  concurrency?: number | undefined;
  /** How many may begin in a second; an endpoint may ask for less. Default 10,000. */
  ratePerSecond?: number | undefined;
}

interface Parts {
  readonly timeoutMs: number;
  /** How long a claim holds. */
  readonly leaseMs: number;
  readonly outbox: Pick<Outbox, "claim" | "release">;
  /** For lines whose last delivery was accepted, and for the others. */
  readonly seats: { readonly good: Seats; readonly doubtful: Seats };
  /** Makes one attempt, and has its result written down. */
  readonly deliver: (endpoint: Endpoint, due: Due) => Promise<Outcome>;
}

// One claim brings work for a while, and so costs next to nothing per delivery.
const AHEAD = 250;
// A second's worth of attempts may begin at once.
const BURST_MS = 1_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

const failed = (error: unknown): Outcome => {
  console.error(error);
  return { accepted: false, slow: false };
};

/**
 * The queue of one endpoint: it claims what is due, works through it with a few attempts at a time,
 * and sleeps until more is due. It knows nothing of the other lines, so none can hold it up; what
 * they share are seats. [PROVIDER-14]
 */
export class Line {
  readonly #id: string;
  readonly #parts: Parts;
  readonly #concurrency: number;
  readonly #ratePerSecond: number;
  #endpoint: Endpoint | undefined;
  #claimed: Due[] = [];
  /** The longest body of the last claim, as a guess at what the next one can bring. */
  #longest = 1;
  /** The last moment at which an attempt can begin and end within the lease. */
  #startBy = 0;
  #running = 0;
  #claiming = false;
  #more = false;
  /** Whether the endpoint was changed since the last claim was asked for. */
  #changed = false;
  #last: Outcome = { accepted: true, slow: false };
  /** What the rate limit has used up, as a moment: it lies ahead of now by what began lately. */
  #spentUntil = 0;
  #timer: Timer | undefined;
  #wakesAt = Infinity;
  #ended = false;

  constructor(id: string, { concurrency = 8, ratePerSecond = 10_000 }: LineOptions, parts: Parts) {
    this.#id = id;
    this.#concurrency = concurrency;
    this.#ratePerSecond = ratePerSecond;
    this.#parts = parts;
  }

  /** Something is due, or may be. */
  wake(): void {
    this.#more = true;
    this.#pump();
  }

  /** Whether what is published now would be attempted at once: nothing stands before it. */
  get isReady(): boolean {
    const idle = !this.#claiming && !this.#more && this.#claimed.length === 0;
    const free = idle && this.#wakesAt === Infinity && this.#room > 0 && this.#last.accepted;
    return free && !this.#ended && Date.now() <= this.#startBy;
  }

  /** Takes what was leased to it when it was published, because it was ready for it. */
  take(due: readonly Due[]): void {
    const { isReady } = this;
    this.#claimed.push(...due);
    if (isReady) return this.#pump();
    // Something has come in between.
    this.#giveBack();
    this.wake();
  }

  /** Gives back what was claimed ahead, and claims anew: the endpoint has changed. */
  renew(): void {
    this.#changed = true;
    this.#giveBack();
    this.wake();
  }

  /** Begins nothing more. Attempts that run may end. */
  readonly end = (): void => {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#giveBack();
  };

  #giveBack(): void {
    const claimed = this.#claimed.splice(0);
    if (claimed.length === 0) return;
    this.#more = true;
    // What cannot be given back is due again when its lease ends.
    this.#parts.outbox.release(this.#id, claimed).catch(() => {});
  }

  get #room(): number {
    const { ordered = true } = this.#endpoint ?? {};
    const one = ordered || this.#last.slow || this.#seats.scarce;
    return (one ? 1 : this.#concurrency) - this.#running;
  }

  get #seats(): Seats {
    const { good, doubtful } = this.#parts.seats;
    return this.#last.accepted ? good : doubtful;
  }

  readonly #pump = (): void => {
    while (!this.#ended && this.#room > 0) {
      const now = Date.now();
      if (this.#claimed.length > 0 && now > this.#startBy) this.#giveBack();
      const [due] = this.#claimed;
      if (!due || !this.#endpoint) return void this.#claim();
      const rate = Math.min(this.#endpoint.ratePerSecond ?? Infinity, this.#ratePerSecond);
      const everyMs = 1_000 / rate;
      // No more can be used up; it says so when the clock was set back, or the rate has changed.
      this.#spentUntil = Math.min(this.#spentUntil, now + Math.max(BURST_MS, everyMs));
      const beginsAt = this.#spentUntil - Math.max(0, BURST_MS - everyMs);
      if (beginsAt > now) return this.#sleepUntil(beginsAt);
      const seats = this.#seats;
      if (!seats.take(this.#pump)) return;
      this.#claimed.shift();
      this.#spentUntil = Math.max(now, this.#spentUntil) + everyMs;
      void this.#attempt(this.#endpoint, due, seats);
    }
  };

  async #attempt(endpoint: Endpoint, due: Due, seats: Seats): Promise<void> {
    this.#running++;
    this.#last = await this.#parts.deliver(endpoint, due).catch(failed);
    this.#running--;
    // After a failure nothing that was claimed ahead is sure of its turn. The next claim tells what
    // is, and when.
    if (!this.#last.accepted) {
      this.#giveBack();
      this.#more = true;
    }
    seats.give();
    this.#pump();
  }

  async #claim(): Promise<void> {
    if (this.#claiming || !this.#more) return;
    this.#claiming = true;
    this.#more = false;
    this.#changed = false;
    const { outbox, timeoutMs, leaseMs } = this.#parts;
    const now = Date.now();
    const fit = Math.min(AHEAD, Math.ceil(CLAIMED_CHARS / this.#longest));
    const limit = this.#endpoint && this.#last.accepted ? fit : this.#room;
    // An outbox that fails is asked again by the housekeeping.
    const claim = await outbox.claim(this.#id, limit, leaseMs, now).catch(() => undefined);
    this.#claiming = false;
    this.#claimed = claim?.due ?? [];
    // Who changes the endpoint may hear of it before we hear of a claim that is older.
    if (this.#ended || this.#changed) {
      this.#giveBack();
      return this.#pump();
    }
    // Disabled, or deleted by now.
    if (!claim) return;
    this.#endpoint = claim.endpoint;
    this.#longest = Math.max(1, ...claim.due.map(({ body }) => body.length));
    this.#startBy = now + timeoutMs;
    if (claim.nextAt !== undefined && claim.nextAt <= now) this.#more = true;
    else if (claim.nextAt !== undefined) this.#sleepUntil(claim.nextAt);
    this.#pump();
  }

  #sleepUntil(at: number): void {
    if (at >= this.#wakesAt) return;
    clearTimeout(this.#timer);
    this.#wakesAt = at;
    const sleepMs = Math.min(Math.max(0, at - Date.now()), MAX_TIMER_MS);
    this.#timer = setTimeout(() => {
      this.#wakesAt = Infinity;
      this.wake();
    }, sleepMs);
  }
}
