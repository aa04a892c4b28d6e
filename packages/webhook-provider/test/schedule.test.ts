import { expect, test } from "bun:test";
import { retryDelayMs, SCHEDULE } from "../src/schedule.ts";

const middle = () => 0.5;
const SECOND = 1_000;
const HOUR = 3_600_000;

test("PROVIDER-11: the schedule", () => {
  const failures = Array.from({ length: 10 }, (_, failed) => failed);
  expect(failures.map((failed) => retryDelayMs(failed, { random: middle }))).toEqual([
    0,
    5 * SECOND,
    300 * SECOND,
    1_800 * SECOND,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
  ]);
  expect(SCHEDULE.reduce((sum, pause) => sum + pause)).toBe(
    75 * HOUR + 35 * 60 * SECOND + 5 * SECOND,
  );
});

test("PROVIDER-11: after the tenth attempt there is none", () => {
  expect(retryDelayMs(10)).toBeUndefined();
  expect(retryDelayMs(10, { askedMs: 1 })).toBeUndefined();
});

test("PROVIDER-11: each pause is drawn from 80 % to 120 % of the planned one", () => {
  for (const [failed, pause] of SCHEDULE.entries()) {
    expect(retryDelayMs(failed, { random: () => 0 })).toBe(Math.round(pause * 0.8));
    expect(retryDelayMs(failed, { random: () => 1 })).toBe(Math.round(pause * 1.2));
    const drawn = Array.from({ length: 1_000 }, () => retryDelayMs(failed) ?? NaN);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(Math.round(pause * 0.8));
    expect(Math.max(...drawn)).toBeLessThanOrEqual(Math.round(pause * 1.2));
    if (pause > 0) expect(new Set(drawn).size).toBeGreaterThan(100);
  }
});

test("PROVIDER-11: Retry-After counts between the planned pause and twice that", () => {
  const asked = (askedMs: number) => retryDelayMs(1, { askedMs, random: middle });
  expect(asked(0)).toBe(5_000);
  expect(asked(1_000)).toBe(5_000);
  expect(asked(7_000)).toBe(7_000);
  expect(asked(10_000)).toBe(10_000);
  expect(asked(86_400_000)).toBe(10_000);
});

test("PROVIDER-11: one option scales the whole schedule, and the bounds of Retry-After with it", () => {
  expect(retryDelayMs(9, { scale: 0.001, random: middle })).toBe(86_400);
  expect(retryDelayMs(1, { scale: 0.001, random: middle, askedMs: 60_000 })).toBe(10);
  expect(retryDelayMs(1, { scale: 2, random: middle })).toBe(10_000);
});
