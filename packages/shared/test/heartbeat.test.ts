import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { createHeartbeat } from "../src/server.ts";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const beatsOf = (periodMs: number) => {
  const beats: number[] = [];
  let nowMs = 0;
  const heart = createHeartbeat(periodMs)(() => beats.push(nowMs));
  const pass = (ms: number) => {
    for (const end = nowMs + ms; nowMs < end;) {
      nowMs += 100;
      jest.advanceTimersByTime(100);
    }
  };
  return { beats, heart, pass };
};

test("a quiet heart beats once in each period, whether its beat refreshes it or not", () => {
  const { beats, pass } = beatsOf(1_000);
  pass(5_000);
  expect(beats).toEqual([1_000, 2_000, 3_000, 4_000, 5_000]);
});

test("what is sent meanwhile puts the beat off, but never for longer than a period", () => {
  const { beats, heart, pass } = beatsOf(1_000);
  for (let n = 0; n < 10; n++) {
    heart.refresh();
    pass(300);
  }
  expect(beats).toEqual([]);
  const quietSince = 2_700;
  pass(2_000);
  expect(beats[0]).toBeGreaterThan(quietSince);
  expect(beats[0]).toBeLessThanOrEqual(quietSince + 1_000);
});

test("a stopped heart is still, and the last one takes the timer with it", () => {
  const start = createHeartbeat(1_000);
  const beats: string[] = [];
  const one = start(() => beats.push("one"));
  const two = start(() => beats.push("two"));
  jest.advanceTimersByTime(1_000);
  one.stop();
  jest.advanceTimersByTime(1_000);
  two.stop();
  jest.advanceTimersByTime(5_000);
  expect(beats).toEqual(["one", "two", "two"]);
  expect(jest.getTimerCount()).toBe(0);
});
