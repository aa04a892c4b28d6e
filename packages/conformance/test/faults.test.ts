// A short version of the fault script, for every technique; and the proof that it is alive.
import { Feed } from "@tidings/shared/server";
import sse from "@tidings/sse";
import { subscribe } from "@tidings/sse/client";
import { describe, expect, test } from "bun:test";
import { keptMatrix } from "../../../scripts/faults.ts";
import { techniques } from "../../../scripts/techniques.ts";
import {
  broken,
  cell,
  faults,
  isWhole,
  laneName,
  launchedLane,
  matrixOf,
  matrixText,
  playFault,
  sameList,
  type Lane,
  type Played,
  type StartOptions,
} from "../src/index.ts";
import { judge } from "../src/judge.ts";
import { server as doubling } from "./broken/doubling-sse.ts";
import { inProcess } from "./in-process.ts";
import { server as offByOne } from "./broken/off-by-one-sse.ts";

// The pair is one lane, and its provider's server is what is started.
const lanes = await Promise.all(
  techniques.filter(({ name, pair }) => pair?.client !== name).map(launchedLane),
);

test.each(faults.map((fault) => [fault.title, fault] as const))(
  "every technique gives its clients the same list: %s",
  async (_, fault) => {
    const played = await Promise.all(lanes.map((lane) => playFault(fault, lane, { quick: true })));
    const wrong = played.filter(({ outcome }) => !isWhole(outcome));
    expect(wrong.map(({ technique, outcome }) => [technique.name, outcome])).toEqual([]);
    const measured = played.filter(({ judgement }) => judgement);
    const [first] = measured;
    expect(first?.judgement?.places.length).toBeGreaterThan(0);
    for (const other of measured) expect(first && sameList(first, other)).toBe(true);
  },
  90_000,
);

describe("a server that is broken on purpose", () => {
  const offByOneLane = (by: -1 | 1): Lane => ({
    technique: sse,
    subscribe,
    start: inProcess(({ feed }) => offByOne({ feed, by })),
    ours: true,
  });
  const named = (title: string) => {
    const fault = faults.find((each) => each.title === title);
    return fault ?? expect.unreachable(`the script has no ${title}`);
  };
  const cut = named("cut between events");
  const provider = lanes.find(({ technique }) => technique.capabilities.durable === true);

  test("shows as a loss", async () => {
    const { outcome } = await playFault(cut, offByOneLane(1), { quick: true, deadlineMs: 3_000 });
    expect(cell(outcome)).toMatch(/^[1-9]\d*\/0\/0\/0 /);
    expect(isWhole(outcome)).toBe(false);
  }, 60_000);

  test("shows as a double", async () => {
    const { outcome } = await playFault(cut, offByOneLane(-1), { quick: true });
    expect(cell(outcome)).toMatch(/^0\/[1-9]\d*\/0\/0 /);
    expect(isWhole(outcome)).toBe(false);
  }, 60_000);

  test("shows as a double at the hand-over, when it goes live from a moment before", async () => {
    const lane = { technique: sse, subscribe, start: inProcess(doubling), ours: true };
    const { outcome } = await playFault(named("cut at the hand-over"), lane);
    expect(cell(outcome)).toMatch(/^0\/[1-9]\d*\/0\/0 /);
  }, 60_000);

  test("shows as a gap, when it forgets what it had promised", async () => {
    if (!provider) return expect.unreachable("no technique is durable");
    const inMemory = ({ options: { database, ...options } = {}, ...rest }: StartOptions = {}) =>
      provider.start({ ...rest, options });
    const lane = { ...provider, start: inMemory };
    const { outcome } = await playFault(named("kill -9, data on disk"), lane, { quick: true });
    expect(outcome).toMatchObject({ outcome: "failed" });
    expect(outcome).toHaveProperty("reason", expect.stringContaining("gaps"));
  }, 60_000);

  // It writes whether anybody reads or not, so what is not read piles up in it.
  test("shows as memory without a bound", async () => {
    const { outcome } = await playFault(named("stalled reader"), offByOneLane(1), { quick: true });
    expect(outcome).toMatchObject({ outcome: "failed" });
    expect(outcome).toHaveProperty("reason", expect.stringContaining("the server grew by"));
  }, 60_000);
});

test("lists that differ in one byte, or in order, are not the same", () => {
  const judged = { lost: 0, doubled: 0, reordered: 0, gaps: 0, declared: new Set<number>() };
  const outcome = { outcome: "measured", ...judged, wholeMs: 0 } as const;
  const fault = { title: "none", run: async () => {} };
  const list = (published: string[], places: number[], declared: number[] = []): Played => {
    const judgement = { ...judged, places, declared: new Set(declared) };
    return { fault, technique: sse, outcome, published, judgement };
  };
  const whole = list(["a 1", "a 2", "a 3"], [0, 1, 2]);
  expect(sameList(whole, list(["a 1", "a 2", "a 3"], [0, 1, 2]))).toBe(true);
  expect(sameList(whole, list(["a 1", "a 2", "a 3"], [0, 2], [1]))).toBe(true);
  expect(sameList(whole, list(["a 1", "a 2", "a 3"], [0, 2]))).toBe(false);
  expect(sameList(whole, list(["a 1", "a 2", "a 3"], [1, 0, 2]))).toBe(false);
  expect(sameList(whole, list(["a 1", "a 2", "a 4"], [0, 1, 2]))).toBe(false);
});

describe("the judge", () => {
  const feed = new Feed({ epoch: 1 });
  const all = [1, 2, 3, 4, 5].map((n) => feed.publish("kit.judged", n));
  const pick = (...places: number[]) => places.flatMap((place) => all[place] ?? []);
  const time = new Date(0).toISOString();
  const gap = (after: string, resumesAt: string) => {
    return { id: "1-2", type: "feed.gap", time, data: { after, resumesAt, reason: "expired" } };
  };

  test.each([
    ["nothing", pick(0, 1, 2, 3, 4), { lost: 0, doubled: 0, reordered: 0, gaps: 0 }],
    ["a loss", pick(0, 1, 3, 4), { lost: 1, doubled: 0, reordered: 0, gaps: 0 }],
    ["a loss at the end", pick(0, 1, 2), { lost: 2, doubled: 0, reordered: 0, gaps: 0 }],
    ["a double", pick(0, 1, 1, 2, 3, 4), { lost: 0, doubled: 1, reordered: 0, gaps: 0 }],
    ["a wrong order", pick(0, 2, 1, 3, 4), { lost: 0, doubled: 0, reordered: 1, gaps: 0 }],
    [
      "a gap that says all",
      [...pick(0), gap("1-1", "1-4"), ...pick(3, 4)],
      { lost: 0, doubled: 0, reordered: 0, gaps: 1 },
    ],
    [
      "a gap that says too little",
      [...pick(0), gap("1-1", "1-3"), ...pick(3, 4)],
      { lost: 1, doubled: 0, reordered: 0, gaps: 1 },
    ],
  ])("finds %s", (_, delivered, found) => {
    expect(judge(delivered, all)).toMatchObject(found);
  });

  test("does not take what was published otherwise", () => {
    const [first, ...rest] = all;
    expect(() => judge([{ ...first!, data: "1" }, ...rest], all)).toThrow("not published so");
    expect(() => judge([...all, { ...first!, id: "1-6" }], all)).toThrow("not published so");
  });
});

describe("the matrix", () => {
  const technique = sse;
  const fault = { title: "x".repeat(24), run: async () => {} };
  const measured = { outcome: "measured", lost: 0, doubled: 0, reordered: 0, gaps: 1 } as const;

  test("fits 100 columns, however many lanes and however long the reasons", () => {
    const lanes = Array.from({ length: 12 }, (_, i) => ({
      ...technique,
      name: `technique-${i}-of-12`,
    }));
    const outcomes = [
      { ...measured, wholeMs: 999 },
      { outcome: "not applicable", reason: "a reason ".repeat(20) },
    ] as const;
    const results = lanes.map((each, i) => ({
      fault,
      technique: each,
      outcome: outcomes[i % 2] ?? outcomes[0],
      published: [],
    }));
    const text = matrixText(matrixOf(results, 1));
    expect(text).toContain("0/0/0/1 999 ms");
    expect(text.split("\n").filter((line) => line.length > 100)).toEqual([]);
    for (const { name } of lanes) expect(text).toContain(name.slice(0, 14));
  });

  test("that is kept has a row for each fault, each of them whole", async () => {
    const kept = await keptMatrix();
    expect(Object.keys(kept.faults)).toEqual(faults.map(({ title }) => title));
    expect(broken(kept)).toEqual([]);
  });

  test.each([
    { ...measured, lost: 1, wholeMs: 1 },
    { ...measured, doubled: 1, wholeMs: 1 },
    { ...measured, reordered: 1, wholeMs: 1 },
    { ...measured, wholeMs: null },
    { outcome: "failed", reason: "it broke" } as const,
  ])("names the cell that breaks the contract: %j", (outcome) => {
    const result = { fault, technique, outcome, published: [] };
    expect(broken(matrixOf([result], 1))).toEqual([`sse: ${fault.title}`]);
  });

  test("never shows a number for what was not measured", () => {
    expect(cell(undefined)).toBe("not played");
    expect(cell({ outcome: "failed", reason: "it broke" })).toBe("FAILED");
    expect(cell({ outcome: "not applicable", reason: "it cannot" })).toBe("–");
    expect(cell({ ...measured, wholeMs: null })).toBe("0/0/0/1 never");
    expect(cell({ ...measured, wholeMs: 1_234 })).toBe("0/0/0/1 1.2 s");
  });
});
