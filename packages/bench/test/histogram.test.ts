import { expect, test } from "bun:test";
import { createRandom } from "@tidings/shared/random";
import { encode, merge, newCounts, quantile, record, total } from "../src/index.ts";

const histogramOf = (values: readonly number[]) => {
  const counts = newCounts();
  for (const us of values) record(counts, us);
  return encode(counts);
};

test("up to 255 µs every value is exact", () => {
  const { counts } = histogramOf(Array.from({ length: 256 }, (_, us) => us));
  expect(counts).toEqual(Array.from({ length: 256 }, (_, us) => [us, 1] as const));
});

test("quantiles of 1 to 100 are known", () => {
  const histogram = histogramOf(Array.from({ length: 100 }, (_, place) => place + 1));
  expect([0, 0.01, 0.5, 0.501, 0.99, 1].map((share) => quantile(histogram, share))).toEqual([
    1, 1, 50, 51, 99, 100,
  ]);
  expect(quantile(histogramOf([]), 0.5)).toBeUndefined();
});

test("every value lies in its bucket, and no bucket is wider than 0.8 %", () => {
  const random = createRandom(1);
  for (let place = 0; place < 1_000; place++) {
    const us = Math.floor(2 ** (random.next() * 32));
    const [[upTo = 0] = []] = histogramOf([us]).counts;
    expect(upTo).toBeGreaterThanOrEqual(us);
    expect(upTo - us).toBeLessThanOrEqual(us * 0.008);
  }
});

test("what cannot be is counted where it is nearest", () => {
  const { counts } = histogramOf([-3, 0.4, 0.6, 2 ** 40]);
  expect(counts).toEqual([
    [0, 2],
    [1, 1],
    [2 ** 32 - 1, 1],
  ]);
});

test("quantiles are those of the sorted values, within a bucket", () => {
  const random = createRandom(2);
  const values = Array.from({ length: 5_000 }, () => Math.round(500 * random.next() ** -0.7));
  const sorted = values.toSorted((a, b) => a - b);
  const histogram = histogramOf(values);
  for (const share of [0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? NaN;
    expect((quantile(histogram, share) ?? NaN) / exact - 1).toBeWithin(0, 0.008);
  }
});

test("what workers counted is what one would have counted", () => {
  const random = createRandom(3);
  const values = Array.from({ length: 1_000 }, () => random.int(0, 1_000_000));
  const parts = [values.slice(0, 300), values.slice(300, 301), values.slice(301)];
  const merged = merge(parts.map(histogramOf));
  expect(merged).toEqual(histogramOf(values));
  expect(total(merged)).toBe(1_000);
});
