import { expect, test } from "bun:test";
import { compare, validateResult, type Result } from "../src/index.ts";
import { cellsOf } from "../src/stats/cells.ts";
import { differenceOf, floorOf, noiseOf } from "../src/stats/noise.ts";
import { synthetic } from "./synthetic.ts";

const differences = (before: Result, after: Result) =>
  compare(before, after).changes.filter(({ verdict }) => verdict !== "same");

const SEEDS = Array.from({ length: 15 }, (_, place) => 2 * place + 1);

test("a synthetic result is a valid one", () => {
  expect(() => validateResult(synthetic({ seed: 1 }))).not.toThrow();
});

test("a result is equal to itself", () => {
  const result = synthetic({ seed: 1 });
  expect(differences(result, result)).toEqual([]);
  expect(compare(result, result).warnings).toEqual([]);
});

// Each comparison judges a hundred figures; one false alarm in fifteen is what is promised.
test.each([
  ["the same", 1],
  ["the same on a machine that is 10 % slower now", 1.1],
])(
  "two runs of %s are called equal",
  (_, weather) => {
    const alarms = SEEDS.filter(
      (seed) => differences(synthetic({ seed }), synthetic({ seed: seed + 1, weather })).length > 0,
    );
    expect(alarms.length).toBeLessThanOrEqual(1);
  },
  20_000,
);

test("a server that is slowed by 20 % is called slower, and hardly anything else", () => {
  const found = SEEDS.map((seed) =>
    differences(synthetic({ seed }), synthetic({ seed: seed + 1, slowed: { sse: 1.2 } })),
  );
  const slower = found.filter((list) =>
    list.some(
      ({ cell, figure, verdict }) =>
        cell.contender.name === "sse" &&
        cell.scenario.name === "fan-out" &&
        figure === "serverCpuUsPerDelivery" &&
        verdict === "slower",
    ),
  );
  expect(slower.length).toBeGreaterThanOrEqual(12);
  const wrong = found.flat().filter(({ cell, verdict }) => {
    return cell.contender.name !== "sse" || verdict === "quicker";
  });
  // What is promised: of all that is called a difference, a twentieth may be chance.
  expect(wrong.length).toBeLessThanOrEqual(found.flat().length / 20);
}, 20_000);

test("other machines, versions and lengths are compared with a warning for each", () => {
  const before = synthetic({ seed: 1 });
  const after: Result = {
    ...before,
    conditions: {
      ...before.conditions,
      cpu: "another",
      versions: { ...before.conditions.versions, bun: "1.4.6" },
    },
    method: { ...before.method, measureMs: 100 },
  };
  expect(compare(before, after).warnings).toEqual([
    "CPU differs: a processor that does not exist, then another",
    "bun differs: 1.4.5, then 1.4.6",
    "measuring in ms differs: 800, then 100",
  ]);
});

test("what one of them has not, and what broke, is a warning", () => {
  const before = synthetic({ seed: 1 });
  const runs = before.runs.flatMap((run): Result["runs"] => {
    if (run.scenario === "burst" && run.contender === "sse") return [];
    if (run.scenario !== "idle" || run.contender !== "ws" || run.round !== 2) return [run];
    const outcome = { kind: "failed", reason: "two were lost", lost: 2, doubled: 0, reordered: 0 };
    return [{ ...run, outcome: { ...outcome, kind: "failed" } }];
  });
  const { warnings } = compare(before, { ...before, runs });
  expect(warnings).toEqual([
    "idle / ws / subscribers 500: measured, then failed (two were lost)",
    "burst / sse / subscribers 100, payloadBytes 200, boundMs 100: only in the first result",
  ]);
});

test("results without anything in common are refused", () => {
  const before = synthetic({ seed: 1 });
  expect(() => compare(before, { ...before, runs: [] })).toThrow(
    "no figures of a technique in common",
  );
});

const cellOf = (result: Result, scenario: string, contender: string) => {
  const cell = cellsOf(result).find(
    (one) => one.scenario.name === scenario && one.contender.name === contender,
  );
  if (!cell) throw new Error(`no cell of ${contender} in ${scenario}`);
  return cell;
};

test("a round that broke the contract voids its cell; a few invalid ones are left out", () => {
  const result = synthetic({ seed: 1 });
  const withRounds = (kind: "failed" | "invalid", rounds: readonly number[]): Result => ({
    ...result,
    runs: result.runs.map((run) => {
      if (run.scenario !== "fan-out" || run.contender !== "ws" || !rounds.includes(run.round))
        return run;
      const broken = { reason: "so it was", lost: 1, doubled: 0, reordered: 0 };
      const invalid = { kind: "invalid", reason: "too busy" } as const;
      return { ...run, outcome: kind === "failed" ? { kind, ...broken } : invalid };
    }),
  });
  const cell = (kind: "failed" | "invalid", rounds: readonly number[]) =>
    cellOf(withRounds(kind, rounds), "fan-out", "ws");
  expect(cell("failed", [4]).problem?.kind).toBe("failed");
  expect(cell("invalid", [1, 2])).toMatchObject({ leftOut: 2 });
  expect(cell("invalid", [1, 2]).problem).toBeUndefined();
  expect(cell("invalid", [1, 2, 3]).problem?.kind).toBe("invalid");
});

test("what cannot be told apart from noise is a tie", () => {
  const result = synthetic({ seed: 3 });
  const noise = noiseOf(cellsOf(result));
  const against = (one: string, other: string) =>
    differenceOf(
      cellOf(result, "fan-out", one),
      cellOf(result, "fan-out", other),
      "serverCpuUsPerDelivery",
      noise,
    );
  expect(against("sse", "sse")).toMatchObject({ tie: true, ratio: { value: 1 } });
  expect(against("long-poll", "sse")?.tie).toBe(false);
  expect(against("long-poll", "sse")?.ratio?.value).toBeWithin(10, 15);
  // The same server, run twice, differs by this much; so nothing smaller counts.
  expect(floorOf(noise, "fan-out", "serverCpuUsPerDelivery")).toBeWithin(1.01, 1.1);
  expect(floorOf([], "fan-out", "serverCpuUsPerDelivery")).toBe(1.01);
});
