// Keeps the account of one stretch of a run: what each subscriber was given, how late, and whether
// it is what was published, all of it, once, and in order.
import { newCounts, record } from "../stats/histogram.ts";
import { intendedTimes, type Schedule } from "./schedule.ts";

/** An event that came after a later one. Only the publisher knows whether they had an order. */
export type Inversion = readonly [event: number, cameAfter: number];

// With so many examples a violation is proven.
const MAX_INVERSIONS = 10_000;

export class Tally {
  readonly staleness = newCounts();
  readonly inversions: Inversion[] = [];
  /** Resolves when everybody has everything. */
  readonly whole: Promise<void>;
  delivered = 0;
  doubled = 0;
  /** When the last subscriber got its first event. */
  firstForAllAt: number | undefined;
  readonly #first: number;
  readonly #count: number;
  readonly #intended: Float64Array;
  readonly #measureFrom: number;
  readonly #given: Uint8Array;
  readonly #newest: Int32Array;
  readonly #becomeWhole: () => void;
  #waiting: number;
  #missing: number;

  /** Counts staleness only of what is meant to be published at `measureFrom` or later. */
  constructor(subscribers: number, schedule: Schedule, measureFrom: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.whole = promise;
    this.#becomeWhole = resolve;
    this.#first = schedule.first;
    this.#count = schedule.count;
    this.#intended = intendedTimes(schedule);
    this.#measureFrom = measureFrom;
    this.#given = new Uint8Array(subscribers * schedule.count);
    this.#newest = new Int32Array(subscribers).fill(-1);
    this.#waiting = subscribers;
    if (subscribers === 0) this.firstForAllAt = schedule.startAt;
    this.#missing = subscribers * schedule.count;
    if (this.#missing === 0) resolve();
  }

  get lost(): number {
    return this.#missing;
  }

  /** A subscriber was given a publication, at a moment of the clock. */
  hit(subscriber: number, number: number, at: number): void {
    const event = number - this.#first;
    const place = subscriber * this.#count + event;
    // What belongs to an earlier stretch was complete when that one ended.
    if (event < 0 || event >= this.#count || this.#given[place] !== 0) {
      this.doubled++;
      return;
    }
    this.#given[place] = 1;
    this.delivered++;
    const newest = this.#newest[subscriber] ?? -1;
    if (newest < 0 && --this.#waiting === 0) this.firstForAllAt = at;
    if (event > newest) this.#newest[subscriber] = event;
    else if (this.inversions.length < MAX_INVERSIONS)
      this.inversions.push([event + this.#first, newest + this.#first]);
    const intended = this.#intended[event] ?? 0;
    if (intended >= this.#measureFrom) record(this.staleness, (at - intended) * 1000);
    if (--this.#missing === 0) this.#becomeWhole();
  }
}
