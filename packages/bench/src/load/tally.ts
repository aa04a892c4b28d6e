// Keeps the account of one stretch of a run: what each subscriber was given, how late, and whether
// it is what was published, all of it, once, and in order.
import { newCounts, record } from "../stats/histogram.ts";
import { intendedTimes, type Schedule } from "./schedule.ts";

/**
 * An event that came after a later one, and to how many subscribers. Only the publisher knows
 * whether the two had an order.
 */
export type Inversion = readonly [event: number, cameAfter: number, deliveries: number];

// So far the clocks of two processes may be apart.
const CLOCKS_MS = 1;

export class Tally {
  readonly staleness = newCounts();
  /** Resolves when everybody has everything. */
  readonly whole: Promise<void>;
  delivered = 0;
  doubled = 0;
  /** Who got something twice. */
  readonly doubledTo = new Set<number>();
  /** Delivered before it was meant to be published. */
  early = 0;
  /** Of a later stretch, of which nobody has heard yet. */
  readonly ahead: [subscriber: number, number: number, at: number][] = [];
  /** When the last subscriber got each publication; Infinity while one of them misses it. */
  readonly completeAt: Float64Array;
  /** How many deliveries are meant to come in a second. */
  readonly perSecond: number;
  readonly #first: number;
  readonly #count: number;
  readonly #intended: Float64Array;
  readonly #measureFrom: number;
  readonly #given: Uint8Array;
  readonly #newest: Int32Array;
  // Subscribers get much the same order, so there are few pairs, however many deliveries.
  readonly #inverted = new Map<number, number>();
  readonly #becomeWhole: () => void;
  /** How many subscribers miss each publication. */
  readonly #missingOf: Uint32Array;
  #missing: number;

  /** Counts staleness only of what is meant to be published at `measureFrom` or later. */
  constructor(subscribers: number, schedule: Schedule, measureFrom: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.whole = promise;
    this.#becomeWhole = resolve;
    this.perSecond = subscribers * schedule.perSecond;
    this.#first = schedule.first;
    this.#count = schedule.count;
    this.#intended = intendedTimes(schedule);
    this.#measureFrom = measureFrom;
    this.#given = new Uint8Array(subscribers * schedule.count);
    this.#newest = new Int32Array(subscribers).fill(-1);
    this.completeAt = new Float64Array(schedule.count).fill(subscribers > 0 ? Infinity : 0);
    this.#missingOf = new Uint32Array(schedule.count).fill(subscribers);
    this.#missing = subscribers * schedule.count;
    if (this.#missing === 0) resolve();
  }

  get lost(): number {
    return this.#missing;
  }

  get inversions(): readonly Inversion[] {
    return [...this.#inverted].map(([pair, deliveries]) => [
      Math.floor(pair / this.#count) + this.#first,
      (pair % this.#count) + this.#first,
      deliveries,
    ]);
  }

  /** A subscriber was given publications, in this order, at a moment of the clock. */
  hits(subscriber: number, numbers: readonly number[], at: number): void {
    const [first, count, given, missingOf] = [
      this.#first,
      this.#count,
      this.#given,
      this.#missingOf,
    ];
    let newest = this.#newest[subscriber] ?? -1;
    let fresh = 0;
    for (const number of numbers) {
      const event = number - first;
      const place = subscriber * count + event;
      if (event >= count) {
        this.ahead.push([subscriber, number, at]);
        continue;
      }
      // What belongs to an earlier stretch was complete when that one ended.
      if (event < 0 || given[place] !== 0) {
        this.doubled++;
        this.doubledTo.add(subscriber);
        continue;
      }
      given[place] = 1;
      fresh++;
      if (event > newest) newest = event;
      else {
        const pair = event * count + newest;
        this.#inverted.set(pair, (this.#inverted.get(pair) ?? 0) + 1);
      }
      const intended = this.#intended[event] ?? 0;
      if (at < intended - CLOCKS_MS) this.early++;
      if (intended >= this.#measureFrom) record(this.staleness, (at - intended) * 1000);
      const missing = (missingOf[event] ?? 0) - 1;
      missingOf[event] = missing;
      if (missing === 0) this.completeAt[event] = at;
    }
    this.#newest[subscriber] = newest;
    this.delivered += fresh;
    this.#missing -= fresh;
    if (fresh > 0 && this.#missing === 0) this.#becomeWhole();
  }
}
