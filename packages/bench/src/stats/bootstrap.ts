import { createRandom } from "@tidings/shared/random";

/** A median over rounds, and the interval in which the bootstrap finds it. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** How many rounds it is made of. */
  readonly rounds: number;
}

/** How sure an interval is meant to be. With five rounds it reaches from the lowest to the highest. */
export const CONFIDENCE = 0.95;

/** Of fewer rounds, even that interval holds the truth much too seldom: of two, every other time. */
export const ENOUGH_ROUNDS = 5;

const RESAMPLES = 2_000;

export const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean without the lowest and the highest quarter, so that single ones disturb it little. */
export const middle = (values: readonly number[]): number => {
  const cut = Math.floor((values.length + 1) / 4);
  return mean(ascending(values).slice(cut, values.length - cut));
};

/** The middle one, or the mean of the two in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = ascending(values);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? NaN) + (sorted[Math.floor(half)] ?? NaN)) / 2;
};

/**
 * The median with its percentile bootstrap interval: the medians of many lists, each drawn from
 * these values with replacement. Seeded: the same values have the same interval.
 */
export const estimate = (values: readonly number[]): Estimate => {
  const random = createRandom(1);
  const sorted = ascending(values);
  const drawn = new Uint32Array(values.length);
  const resample = () => {
    drawn.fill(0);
    for (const _ of values) drawn[random.int(0, values.length - 1)]!++;
    const at = (rank: number) => sorted[drawn.findIndex((count) => (rank -= count) < 0)] ?? NaN;
    return (at(Math.floor((values.length - 1) / 2)) + at(Math.floor(values.length / 2))) / 2;
  };
  const medians = ascending(Array.from({ length: RESAMPLES }, resample));
  const cut = Math.floor((RESAMPLES * (1 - CONFIDENCE)) / 2);
  const [low = NaN, high = NaN] = [medians[cut], medians[RESAMPLES - 1 - cut]];
  return { value: median(values), low, high, rounds: values.length };
};
