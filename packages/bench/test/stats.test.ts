import { describe, expect, test } from "bun:test";
import { createRandom } from "@tidings/shared/random";
import { estimate, median, middle } from "../src/stats/bootstrap.ts";
import { chanceOf, ratioOf } from "../src/stats/shift.ts";
import { believable, beyond, critical } from "../src/stats/student.ts";

const spread = { a: [3, 1, 2], b: [4, 1, 3, 2], c: [7], d: [5, 5, 5, 90, 5] };

test("medians of small lists are known", () => {
  expect([spread.a, spread.b, spread.c, spread.d].map(median)).toEqual([2, 2.5, 7, 5]);
  expect(median([])).toBeNaN();
});

test("the mean of the middle leaves a quarter out on either side", () => {
  expect([spread.a, spread.b, spread.c, spread.d].map(middle)).toEqual([2, 2.5, 7, 5]);
  expect(middle([1, 2, 6])).toBe(2);
  expect(middle([1, 2, 3, 7, 9])).toBe(4);
  expect(middle([3, 5])).toBe(4);
});

// Tables of Student's t: the two-sided 5 % and 1 % points.
test.each([
  [1, 12.706, 63.657],
  [2, 4.303, 9.925],
  [5, 2.571, 4.032],
  [8, 2.306, 3.355],
  [9, 2.262, 3.25],
  [30, 2.042, 2.75],
])("Student's t with %d degrees of freedom is that of the tables", (freedom, five, one) => {
  expect(beyond(five, freedom)).toBeCloseTo(0.05, 4);
  expect(beyond(-one, freedom)).toBeCloseTo(0.01, 4);
  expect(critical(0.05, freedom)).toBeCloseTo(five, 3);
  expect(beyond(0, freedom)).toBe(1);
  expect(beyond(Infinity, freedom)).toBeCloseTo(0, 12);
});

test("a shift is as likely, and its interval as wide, as the tables say", () => {
  const shift = { by: 0.2306, error: 0.1, freedom: 8, drift: 0 };
  expect(chanceOf(shift)).toBeCloseTo(0.05, 3);
  expect(ratioOf(shift, 0.95).low).toBeCloseTo(1, 3);
  expect(ratioOf(shift, 0.95).high).toBeCloseTo(Math.exp(0.4612), 3);
  // What the machine may have done is no shift.
  expect(chanceOf({ ...shift, by: -0.3306, drift: 0.1 })).toBeCloseTo(0.05, 3);
  expect(chanceOf({ ...shift, drift: 0.24 })).toBe(1);
});

test("Benjamini and Hochberg keep what their paper of 1995 keeps", () => {
  const chances = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719,
    0.6528, 0.759, 1,
  ];
  const kept = believable(chances.toReversed(), 0.05).toReversed();
  expect(kept.map(Number).join("")).toBe("111100000000000");
  expect(believable([0.2, 0.9], 0.05)).toEqual([false, false]);
  expect(believable([], 0.05)).toEqual([]);
});

describe("the bootstrap interval of a median", () => {
  test("reaches from the lowest to the highest of five rounds", () => {
    expect(estimate([12, 10, 15, 11, 13])).toEqual({ value: 12, low: 10, high: 15, rounds: 5 });
  });

  test("is the same for the same values", () => {
    const values = [5, 3, 8, 1, 9, 2, 7];
    expect(estimate(values)).toEqual(estimate(values));
  });

  // The exact interval of a median of 15 at 95 % is that from the 4th to the 12th value (96.5 %).
  test("is near the exact one of 15 values", () => {
    const { low, high } = estimate(Array.from({ length: 15 }, (_, place) => place + 1));
    expect(low).toBeWithin(4, 6);
    expect(high).toBeWithin(11, 13);
  });

  test("holds the true median about as often as it says", () => {
    const random = createRandom(7);
    let held = 0;
    for (let trial = 0; trial < 300; trial++) {
      const { low, high } = estimate(Array.from({ length: 9 }, () => random.next() ** 2));
      if (low <= 0.25 && high >= 0.25) held++;
    }
    expect(held / 300).toBeGreaterThan(0.9);
  });
});
