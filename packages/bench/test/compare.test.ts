import { expect, test } from "bun:test";
import { compare, renderComparison, validateResult, type Result } from "../src/index.ts";
import { cellsOf, hasBounds, isAtLeast } from "../src/stats/cells.ts";
import { differenceOf, floorBetween, floorOf, noiseOf } from "../src/stats/noise.ts";
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
  ["the same", 1, 0, 1],
  ["the same on a machine that is 10 % slower now", 1.1, 0, 1],
  ["the same on a core that is quick and slow by turns", 1, 0.08, 1],
  ["the same on such a core that is 8 % slower now", 1, 0.08, 1.08],
])(
  "two runs of %s are called equal",
  (_, weather, gusts, pace) => {
    const alarms = SEEDS.filter(
      (seed) =>
        differences(synthetic({ seed, gusts }), synthetic({ seed: seed + 1, weather, gusts, pace }))
          .length > 0,
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
}, 60_000);

/** The same, as if nobody had looked at the server's core. */
const blind = (result: Result) =>
  altered(result, ["fan-out"], ({ samples: _, ...outcome }) => outcome);

test("what a server takes is told from what its core was slowed by meanwhile", () => {
  const pairs = SEEDS.map(
    (seed) =>
      [
        synthetic({ seed, gusts: 0.08, spread: 0.02 }),
        synthetic({ seed: seed + 1, gusts: 0.08, spread: 0.02, slowed: { sse: 1.2 } }),
      ] as const,
  );
  const cost = (results: readonly (readonly [Result, Result])[]) =>
    results.flatMap(([before, after]) =>
      compare(before, after).changes.filter(
        ({ cell, figure }) =>
          cell.scenario.name === "fan-out" &&
          cell.contender.name === "sse" &&
          figure === "serverCpuUsPerDelivery",
      ),
    );
  const slower = (changes: ReturnType<typeof cost>) =>
    changes.filter(({ verdict }) => verdict === "slower").length;
  const seen = cost(pairs);
  expect(slower(seen)).toBeGreaterThanOrEqual(12);
  const right = seen.filter(({ ratio }) => ratio.low <= 1.2 && ratio.high >= 1.2);
  expect(right.length).toBeGreaterThanOrEqual(13);
  // Who does not look at the core cannot tell.
  const unseen = cost(pairs.map(([before, after]) => [blind(before), blind(after)]));
  expect(slower(unseen)).toBeLessThan(0.7 * slower(seen));
  // One who has looked does not help where the other one has not.
  expect(
    cost(pairs.map(([before, after]) => [blind(before), after])).map(({ ratio }) => ratio),
  ).toEqual(unseen.map(({ ratio }) => ratio));
}, 60_000);

test("what is real and too small to matter lets nothing else pass for real", () => {
  // All headers have become a hair longer: a dozen differences that are no chance.
  const longer = (result: Result) =>
    altered(result, ["fan-out"], ({ metrics, ...outcome }) => {
      const { bytesOutPerDelivery = 0, bytesInPerDelivery = 0 } = metrics;
      const bytes = {
        bytesOutPerDelivery: 1.007 * bytesOutPerDelivery,
        bytesInPerDelivery: 1.007 * bytesInPerDelivery,
      };
      return { ...outcome, metrics: { ...metrics, ...bytes } };
    });
  for (const seed of SEEDS) {
    const [before, after] = [synthetic({ seed }), synthetic({ seed: seed + 1 })];
    const named = (found: ReturnType<typeof differences>) =>
      found.map(({ cell, figure }) => `${cell.scenario.name} ${cell.contender.name} ${figure}`);
    expect(named(differences(before, longer(after)))).toEqual(named(differences(before, after)));
  }
}, 60_000);

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

type Runs = Result["runs"];
type Measured = Extract<Runs[number]["outcome"], { kind: "measured" }>;

/** The same, with other outcomes for those of a contender's in a scenario. */
const altered = (
  result: Result,
  [scenario, contender]: readonly [scenario: string, contender?: string],
  change: (outcome: Measured, round: number) => Runs[number]["outcome"],
): Result => ({
  ...result,
  runs: result.runs.map((run) =>
    run.scenario === scenario &&
    (contender ?? run.contender) === run.contender &&
    run.outcome.kind === "measured"
      ? { ...run, outcome: change(run.outcome, run.round) }
      : run,
  ),
});

const failed = {
  kind: "failed",
  reason: "two were lost",
  lost: 2,
  doubled: 0,
  reordered: 0,
} as const;
const invalid = { kind: "invalid", reason: "too busy" } as const;

test("what fails in one of them only is a difference, and the two are not called equal", () => {
  const before = synthetic({ seed: 1 });
  const after = altered(before, ["idle", "ws"], (outcome, round) =>
    round === 2 ? failed : outcome,
  );
  const comparison = compare(before, after);
  expect(comparison.breaks).toEqual([
    "idle / ws / subscribers 500: measured, then failed (two were lost)",
  ]);
  expect(comparison.warnings).toEqual([]);
  expect(renderComparison(comparison)).not.toContain("equal");
  // What failed before and is measured now is one as well.
  expect(compare(after, before).breaks).toHaveLength(1);
});

test("a bottleneck of the load generator is no difference between servers", () => {
  const before = synthetic({ seed: 1 });
  const { breaks, warnings } = compare(
    before,
    altered(before, ["idle", "ws"], () => invalid),
  );
  expect({ breaks, warnings }).toEqual({
    breaks: [],
    warnings: ["idle / ws / subscribers 500: measured, then invalid (too busy)"],
  });
});

test("what only one of them has is a difference: a scenario, a contender, or that one in this one", () => {
  const all = synthetic({ seed: 1 });
  const fewer: Result = {
    ...all,
    runs: all.runs.filter(
      ({ scenario, contender }) =>
        scenario !== "storm" &&
        contender !== "long-poll" &&
        (scenario !== "frontier" || contender !== "sse"),
    ),
  };
  const names = ["long-poll", "storm", "frontier / sse"];
  expect(compare(all, fewer).breaks).toEqual(
    names.map((name) => `${name}: only in the first result`),
  );
  const comparison = compare(fewer, all);
  expect(comparison.breaks.toSorted()).toEqual(
    names.map((name) => `${name}: only in the second result`).toSorted(),
  );
  expect(renderComparison(comparison)).not.toContain("equal");
});

test("baselines and peers that fail or are missing in one of them only are no difference", () => {
  const all = synthetic({ seed: 1 });
  const [nchan, hand] = ["nchan", "sse/raw-bun"];
  const peers: Result = {
    ...all,
    contenders: [...all.contenders, { name: nchan, title: nchan, kind: "peer", deviations: [] }],
    runs: all.runs.flatMap((run) =>
      run.contender === hand ? [run, { ...run, contender: nchan }] : run,
    ),
  };
  const usual = {
    ...all,
    runs: all.runs.filter((run) => run.scenario === "fan-out" || run.contender !== hand),
  };
  const comparison = compare(usual, peers);
  expect(comparison.breaks).toEqual([]);
  expect(comparison.warnings).toEqual([
    "baselines and peers with work that is only in the second result: nchan, sse/raw-bun",
  ]);
  expect(renderComparison(comparison)).toContain("equal: none");
  expect(
    compare(
      all,
      altered(all, ["idle", hand], () => failed),
    ),
  ).toMatchObject({
    breaks: [],
    warnings: ["idle / sse/raw-bun / subscribers 500: measured, then failed (two were lost)"],
  });
});

test("what moves all techniques where there is no baseline is the machine", () => {
  const names = ["short-poll", "long-poll", "sse", "ws", "webhook"];
  const quicker = (result: Result, by: number, ...contenders: readonly string[]) =>
    contenders.reduce(
      (changed, contender) =>
        altered(changed, ["storm", contender], ({ metrics, ...outcome }) => ({
          ...outcome,
          metrics: { ...metrics, wholeAfterMs: (metrics.wholeAfterMs ?? NaN) * by },
        })),
      result,
    );
  const [before, after] = [synthetic({ seed: 1 }), synthetic({ seed: 2 })];
  const found = (result: Result) =>
    differences(before, result).map(({ cell, figure }) => `${cell.contender.name} ${figure}`);
  const all = quicker(after, 0.3, ...names);
  expect(found(all)).toEqual([]);
  expect(compare(before, all).warnings).toContainEqual(
    expect.stringMatching(
      /^storm: the techniques have 0\.[23]\d × as much whole again after together/,
    ),
  );
  expect(found(quicker(after, 0.3, "ws"))).toEqual(["ws wholeAfterMs"]);
});

test("a single baseline that has moved is no proof that its technique has", () => {
  const quicker = (result: Result, contender: string, by: number) =>
    altered(result, ["idle", contender], ({ metrics, ...outcome }) => {
      const { serverCpuUsPerSubscriberSecond: cpu = NaN } = metrics;
      return { ...outcome, metrics: { ...metrics, serverCpuUsPerSubscriberSecond: cpu * by } };
    });
  const [before, after] = [1, 2].map((seed) => synthetic({ seed, spread: 0.01 }));
  if (!before || !after) throw new Error("unreachable");
  const found = (result: Result) =>
    differences(before, result).map(({ cell, verdict }) => `${cell.contender.name} ${verdict}`);
  const moved = quicker(after, "sse/raw-bun", 0.6);
  expect(found(moved)).toEqual([]);
  expect(found(quicker(moved, "sse", 2))).toEqual(["sse slower"]);
});

test("a round that the baseline lacks is left out, and the others count", () => {
  const all = [{}, { sse: 1.3 }].map((slowed, place) => synthetic({ seed: 1 + place, slowed }));
  const [before, after] = all.map((result, place) => ({
    ...result,
    runs: result.runs.map((run) =>
      run.contender === "sse/raw-bun" && run.round === 2 + place
        ? { ...run, outcome: invalid }
        : run,
    ),
  }));
  if (!before || !after) throw new Error("unreachable");
  const slower = differences(before, after).map(
    ({ cell, figure }) => `${cell.scenario.name} ${cell.contender.name} ${figure}`,
  );
  expect(slower).toContain("fan-out sse serverCpuUsPerDelivery");
});

test("CPU of work that no baseline did has to differ by half, and no CPU at all is no difference", () => {
  const without = (by: number, seed: number) => {
    const all = synthetic({ seed, slowed: { sse: by } });
    const lacks = ({ scenario, contender }: Runs[number]) =>
      scenario === "frontier" && contender === "sse/raw-bun";
    return { ...all, runs: all.runs.filter((run) => !lacks(run)) };
  };
  const before = without(1, 1);
  const slower = (by: number) =>
    new Set(
      differences(before, without(by, 2))
        .filter(({ figure }) => figure === "serverCpuUsPerDelivery")
        .map(({ cell }) => cell.scenario.name),
    );
  expect(slower(1.35)).toEqual(new Set(["fan-out"]));
  expect(slower(2.5)).toEqual(new Set(["fan-out", "frontier"]));

  // In a short look there may be nothing to see.
  const still = altered(before, ["idle", "sse"], ({ metrics, ...outcome }) => ({
    ...outcome,
    metrics: { ...metrics, serverCpuUsPerSubscriberSecond: 0 },
  }));
  expect(compare(before, still)).toMatchObject({
    breaks: [],
    warnings: expect.arrayContaining([
      expect.stringMatching(
        /^idle \/ sse .*server CPU per subscriber and second: [\d.]+, then 0\.00$/,
      ),
    ]),
  });
});

test("what was 0 in every round and is so in none now is a difference", () => {
  const before = synthetic({ seed: 1 });
  const doubled = (rounds: number) =>
    altered(before, ["storm", "sse"], (outcome, round) => ({
      ...outcome,
      metrics: { ...outcome.metrics, doubled: round <= rounds ? 3 : 0 },
    }));
  const text = "storm / sse / subscribers 200: doubled deliveries: 0.00, then 3.00";
  expect(compare(before, doubled(5))).toMatchObject({ breaks: [text], warnings: [] });
  expect(renderComparison(compare(before, doubled(5)))).not.toContain("equal");
  // Here and there one is no proof.
  expect(compare(before, doubled(3))).toMatchObject({ breaks: [], warnings: [text] });
  expect(compare(before, doubled(2))).toMatchObject({ breaks: [], warnings: [] });
});

test("lower bounds are not held against each other", () => {
  const before = synthetic({ seed: 1 });
  const bounded = (factor: number) =>
    altered(before, ["burst", "sse"], ({ metrics, ...outcome }) => ({
      ...outcome,
      metrics: { highestRate: (metrics.highestRate ?? NaN) * factor },
      atLeast: ["highestRate"],
    }));
  const { changes, warnings } = compare(bounded(1), bounded(0.5));
  expect(
    changes.filter(({ cell, figure }) => cell.contender.name === "sse" && figure === "highestRate"),
  ).toEqual([]);
  expect(warnings).toEqual([
    "burst / sse / subscribers 100, payloadBytes 200, boundMs 100: highest rate: not compared, for only a lower bound is known",
  ]);
});

test("a median is a lower bound only where those of its rounds could move it", () => {
  const at = (rates: readonly number[], bound: number) => {
    const result = altered(synthetic({ seed: 1 }), ["burst", "sse"], (outcome, round) => ({
      ...outcome,
      metrics: { highestRate: rates[round - 1] ?? NaN },
      ...(round === bound && { atLeast: ["highestRate"] }),
    }));
    const cell = cellOf(result, "burst", "sse");
    return cell && [hasBounds(cell, "highestRate"), isAtLeast(cell, "highestRate")];
  };
  expect(at([1, 2, 3, 3, 3], 2)).toEqual([true, false]);
  expect(at([1, 2, 3, 4, 5], 5)).toEqual([true, false]);
  expect(at([1, 2, 3, 4, 5], 1)).toEqual([true, true]);
  expect(at([1, 2, 3, 4, 5], 3)).toEqual([true, true]);
  expect(at([1, 2, 3, 4, 5], 0)).toEqual([false, false]);
});

test("rates that are a step apart are no difference, however exact; two steps are one", () => {
  const before = synthetic({ seed: 1 });
  const at = (highestRate: number, raw = 2_760) =>
    altered(
      altered(before, ["burst", "sse/raw-bun"], (o) => ({ ...o, metrics: { highestRate: raw } })),
      ["burst", "sse"],
      (o) => ({ ...o, metrics: { highestRate } }),
    );
  const judgedAt = (...rates: Parameters<typeof at>) =>
    differences(at(2_070), at(...rates)).map(({ verdict }) => verdict);
  expect([judgedAt(1_553), judgedAt(2_760), judgedAt(1_165)]).toEqual([[], [], ["slower"]]);
  // A baseline's step the other way makes it no two.
  expect([judgedAt(1_553, 3_680), judgedAt(2_760, 2_070)]).toEqual([[], []]);
  // Nor is it one between two contenders.
  const tie = (rate: number) => {
    const [one, other] = ["sse", "sse/raw-bun"].map((name) => cellOf(at(rate), "burst", name));
    return one && other && differenceOf(one, other, "highestRate", noiseOf(cellsOf(at(rate))))?.tie;
  };
  expect([tie(2_070), tie(1_553)]).toEqual([true, false]);
});

test("baselines whose own source has changed are no yardstick", () => {
  const before = synthetic({ seed: 1 });
  const slower = altered(before, ["fan-out", "sse/raw-bun"], ({ metrics, ...outcome }) => ({
    ...outcome,
    metrics: { ...metrics, serverCpuUsPerDelivery: (metrics.serverCpuUsPerDelivery ?? NaN) * 1.5 },
  }));
  // Beside it, all of ours seem quicker.
  expect(differences(before, slower).length).toBeGreaterThan(0);
  const after = { ...slower, conditions: { ...slower.conditions, yardsticks: "another" } };
  expect(differences(before, after)).toEqual([]);
  expect(compare(before, after).warnings).toEqual([
    "the sources of baselines, peers or the probe differ: what the machine did cannot be told from what the code did",
  ]);
});

test("what another probe has seen of the core says nothing", () => {
  const [before, same] = [1, 2].map((seed) => synthetic({ seed, gusts: 0.08 })) as [Result, Result];
  const other = altered(same, ["fan-out"], ({ samples, ...outcome }) => ({
    ...outcome,
    samples: { ...samples, coreUs: (samples?.["coreUs"] ?? []).map((us) => us / 2) },
  }));
  const after = { ...other, conditions: { ...other.conditions, yardsticks: "another" } };
  const ratios = (one: Result, two: Result) => compare(one, two).changes.map(({ ratio }) => ratio);
  expect(ratios(before, after)).toEqual(ratios(blind(before), blind(after)));
});

test("a figure that only one of them has, or not in every round, is not compared", () => {
  const before = synthetic({ seed: 1 });
  const lacking = (from: number) =>
    altered(before, ["idle", "sse"], ({ metrics, ...outcome }, round) => {
      const { rssBytesPerSubscriber: _, ...others } = metrics;
      return { ...outcome, metrics: round < from ? metrics : others };
    });
  const told = "idle / sse / subscribers 500: memory per subscriber: not compared, for";
  expect(compare(before, lacking(1)).warnings).toEqual([`${told} only one of them has it`]);
  expect(compare(before, lacking(4)).warnings).toEqual([`${told} some of the rounds lack it`]);
});

test("results with nothing to compare are refused, with the reason and the cure", () => {
  const before = synthetic({ seed: 1 });
  expect(() => compare(before, { ...before, runs: [] })).toThrow(
    /^compare: no figure of a technique is measured in both \(.*; fan-out: only in the first result; .*\)\.$/,
  );
  const once = synthetic({ seed: 1, rounds: 1 });
  const cure = "compare: one round tells nothing about noise; measure both with --rounds 5";
  expect(() => compare(once, once)).toThrow(`${cure}.`);
  const fewer = { ...once, runs: once.runs.filter(({ contender }) => contender !== "long-poll") };
  expect(() => compare(once, fewer)).toThrow(`${cure} (long-poll: only in the first result).`);
});

/** The same, asked for with other params. */
const asked = (
  result: Result,
  change: (run: Runs[number]) => Result["scenarios"][number]["params"],
) => ({
  ...result,
  runs: result.runs.map((run) => ({ ...run, params: change(run) })),
});

test("what was asked in another way is named with both values, and not compared", () => {
  const before = synthetic({ seed: 1 });
  const halved = ({ scenario, params }: Runs[number]) =>
    scenario === "frontier" ? params : { ...params, subscribers: 50, colour: 1 };
  const comparison = compare(before, asked(before, halved));
  expect(comparison.breaks).toEqual([]);
  const texts = [
    "fan-out: subscribers 200",
    "idle: subscribers 500",
    "burst: subscribers 100",
    "storm: subscribers 200",
  ].map((text) => `not the same work in ${text}, then 50; colour none, then 1`);
  expect(comparison.warnings).toEqual(texts);
  expect(new Set(comparison.changes.map(({ cell }) => cell.scenario.name))).toEqual(
    new Set(["frontier"]),
  );
  const all = ({ params }: Runs[number]) => ({ ...params, subscribers: 50 });
  expect(() => compare(before, asked(before, all))).toThrow(
    /^compare: no figure .* in both \(not the same work in fan-out: subscribers 200, then 50; .*\)\.$/,
  );
  // Of some rates that both have, those are compared.
  const faster = ({ params }: Runs[number]) =>
    params.rate === 0.1 ? { ...params, rate: 1_000 } : params;
  expect(compare(before, asked(before, faster)).warnings).toEqual([
    "not the same work in frontier: rate 0.1, then 1,000",
  ]);
});

test("a pause between polls is part of the work of those who rest between polls", () => {
  const before = synthetic({ seed: 1 });
  const paused = (pollMs: number, everybody: boolean) =>
    asked(before, ({ scenario, contender, params }) =>
      scenario === "fan-out" && (everybody || contender === "short-poll")
        ? { ...params, pollMs }
        : params,
    );
  const names = (a: Result, b: Result) =>
    new Set(
      compare(a, b)
        .changes.filter(({ cell }) => cell.scenario.name === "fan-out")
        .map(({ cell }) => cell.contender.name),
    );
  const everybody = ["short-poll", "long-poll", "sse", "ws", "webhook"];
  // The first result is from before it was left out of the others' params.
  expect(names(paused(300, true), paused(300, false))).toEqual(new Set(everybody));
  expect(names(paused(300, true), paused(1_000, false))).toEqual(new Set(everybody.slice(1)));
  expect(compare(paused(300, false), paused(1_000, false)).warnings).toEqual([
    "not the same work in fan-out: pollMs 300, then 1,000",
  ]);
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

test("noise is borrowed from no other scenario", () => {
  const noise = noiseOf(cellsOf(synthetic({ seed: 3 }))).filter(
    ({ cell }) => cell.scenario.name !== "frontier",
  );
  const cost = "serverCpuUsPerDelivery";
  expect(floorOf(noise, "frontier", cost)).toBe(1.01);
  const once = synthetic({ seed: 3, rounds: 1 });
  const [sse, ws] = [cellOf(once, "frontier", "sse"), cellOf(once, "frontier", "ws")];
  expect(differenceOf(sse, ws, cost, noise)).toBeUndefined();
});

test("what a single round may differ by is what 95 % of the noise stays within", () => {
  const [one] = noiseOf(cellsOf(synthetic({ seed: 1 })));
  if (!one) throw new Error("nothing ran twice");
  const noise = [1.1, 1 / 1.1, 1.1].map((ratio) => ({ ...one, ratios: [ratio] }));
  const floor = (rounds?: number) => floorOf(noise, one.cell.scenario.name, one.figure, rounds);
  // Student's t of 3 degrees of freedom at 95 % is 3.182.
  for (const rounds of [1, 4])
    expect(Math.log(floor(rounds)) / Math.log(1.1)).toBeCloseTo(3.182, 3);
  expect(floor(5)).toBeCloseTo(1.1);
});

test("who did not run twice is held to the noise of those who did", () => {
  const result = synthetic({ seed: 1 });
  const [one] = noiseOf(cellsOf(result));
  if (!one) throw new Error("nothing ran twice");
  const noise = [{ ...one, ratios: [1.1, 1.21, 1.4] }];
  const { scenario, contender } = one.cell;
  expect(one.figure).toBe("stalenessP50Us");
  expect(floorBetween(noise, one.cell, one.figure)).toBe(1.01);
  const other = { scenario, contender: { ...contender, name: "ws" } };
  expect(floorBetween(noise, other, one.figure)).toBeCloseTo(1.21);
});

test("two that are the same are hardly ever called different, however few the rounds", () => {
  // One of the seeds is another's twin: the same truth, and other luck.
  const judged = [1, 2].flatMap((rounds) =>
    SEEDS.map((seed) => {
      const [one, other] = [seed, seed + 1].map((each) => synthetic({ seed: each, rounds }));
      if (!one || !other) throw new Error("two are needed");
      return differenceOf(
        cellOf(one, "idle", "sse"),
        cellOf(other, "idle", "sse"),
        "rssBytesPerSubscriber",
        noiseOf(cellsOf(one)),
      );
    }),
  );
  expect(judged.filter((difference) => difference?.tie === false).length).toBeLessThanOrEqual(3);
  expect(judged.filter((difference) => difference?.tie).length).toBeGreaterThan(20);
});

test("what broke is told of single rounds, too, and they are not called equal", () => {
  const once = synthetic({ seed: 1, rounds: 1 });
  const comparison = compare(
    once,
    altered(once, ["idle", "ws"], () => failed),
  );
  expect(comparison).toMatchObject({
    changes: [],
    breaks: ["idle / ws / subscribers 500: measured, then failed (two were lost)"],
  });
  expect(comparison.warnings).toContain(
    "idle: not compared, for one round tells nothing about noise",
  );
  const text = renderComparison(comparison);
  expect(text).toContain("changed idle / ws / subscribers 500: measured, then failed");
  expect(text).toContain("No figure could be compared.");
  expect(text).not.toContain("equal");
});

test("rates that only one of them was asked for are no difference", () => {
  const all = synthetic({ seed: 1 });
  const fewer: Result = {
    ...all,
    runs: all.runs.filter(({ scenario, params }) => scenario !== "frontier" || params.rate === 10),
  };
  const comparison = compare(all, fewer);
  expect(comparison.breaks).toEqual([]);
  expect(comparison.warnings).toEqual(["not the same work in frontier: rate 0.1, 1, 100, then 10"]);
  expect(compare(fewer, all).warnings).toEqual([
    "not the same work in frontier: rate 10, then 0.1, 1, 100",
  ]);
  expect(renderComparison(comparison)).toContain("equal: none");
});
