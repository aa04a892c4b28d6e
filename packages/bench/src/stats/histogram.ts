// Log-linear buckets, as in HdrHistogram: exact up to 255 µs, and from there 128 to each doubling,
// so a bucket is less than 0.8 % wide. Recording is one shift and one increment.
import type { Histogram } from "../result.ts";

const BITS = 7;
const MAX_US = 2 ** 32 - 1;

const bucketOf = (us: number): number => {
  const shift = Math.max(0, 31 - Math.clz32(us) - BITS);
  return (shift << BITS) + (us >>> shift);
};

const upTo = (bucket: number): number => {
  const shift = Math.max(0, (bucket >>> BITS) - 1);
  return (bucket - (shift << BITS) + 1) * 2 ** shift - 1;
};

const BUCKETS = bucketOf(MAX_US) + 1;

/** What `record` counts in. It may travel between workers as it is. */
export type Counts = Uint32Array;

export const newCounts = (): Counts => new Uint32Array(BUCKETS);

/** Counts a duration in microseconds. Below 0 counts as 0, above 71 minutes as 71 minutes. */
export const record = (counts: Counts, us: number): void => {
  counts[bucketOf(Math.min(MAX_US, Math.max(0, Math.round(us))))]!++;
};

/** The buckets that have something in them. */
export const encode = (counts: Counts): Histogram => {
  const held: [upTo: number, count: number][] = [];
  counts.forEach((count, bucket) => count > 0 && held.push([upTo(bucket), count]));
  return { unit: "us", counts: held };
};

/** One histogram of what several hold: of workers, or of rounds. */
export const merge = (histograms: Iterable<Histogram>): Histogram => {
  const sums = new Map<number, number>();
  for (const { counts } of histograms)
    for (const [upTo, count] of counts) sums.set(upTo, (sums.get(upTo) ?? 0) + count);
  return { unit: "us", counts: [...sums].sort(([a], [b]) => a - b) };
};

/** How many values it holds. */
export const total = ({ counts }: Histogram): number =>
  counts.reduce((sum, [, count]) => sum + count, 0);

/**
 * The smallest value that at least this share of all values does not exceed, in microseconds:
 * `quantile(h, 0.99)` is the p99, `quantile(h, 1)` the largest. `undefined` when there are none.
 */
export const quantile = (histogram: Histogram, share: number): number | undefined => {
  let left = Math.max(1, Math.ceil(share * total(histogram)));
  return histogram.counts.find(([, count]) => (left -= count) <= 0)?.[0];
};
