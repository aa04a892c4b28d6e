import { createRandom } from "@tidings/shared/random";

/** The publications of one stretch of a run. Whoever holds it knows when each is meant to be. */
export interface Schedule {
  /** The number of the first publication. */
  readonly first: number;
  readonly count: number;
  readonly perSecond: number;
  /** When it begins, by the clock that the processes share. */
  readonly startAt: number;
  readonly seed: number;
}

/**
 * When each publication is meant to be. Each second has as many as it should, in slots of one
 * length, and each publication lies somewhere in the middle fifth of its slot: a fixed beat would
 * march in step with the timers that are measured, and what lies close together is delivered
 * together, at another price.
 */
export const intendedTimes = ({ count, perSecond, startAt, seed }: Schedule): Float64Array => {
  const random = createRandom(seed);
  const slotMs = 1000 / perSecond;
  return Float64Array.from(
    { length: count },
    (_, slot) => startAt + (slot + 0.4 + 0.2 * random.next()) * slotMs,
  );
};
