import { expect, test } from "bun:test";
import { baselines, lanes } from "../src/contenders.ts";
import { estimateMs } from "../src/engine.ts";
import { planOf } from "../src/plan.ts";
import { nextRate } from "../src/scenarios/burst.ts";
import { scenarios } from "../src/scenarios.ts";
import { settingsOf } from "../src/settings.ts";

const problem = { kind: "failed", reason: "late", lost: 0, doubled: 0, reordered: 0 } as const;
const everything = { scenarios, contenders: [...lanes, ...baselines] };

test("every lane is there, the pair of webhook servers as one, and has its baseline", () => {
  const names = ["short-poll", "long-poll", "sse", "ws", "webhook"];
  expect(lanes.map(({ lane }) => lane)).toEqual(expect.arrayContaining(names));
  expect(baselines.map(({ lane }) => lane)).toEqual(names);
});

test("the time that it takes is known beforehand, and is not too long", () => {
  const standard = settingsOf("default");
  const short = { ...standard, isShort: true };
  // All that has to be there leaves time for what is slower or played again.
  const five = planOf(everything, short).filter(({ round }) => round <= short.rounds);
  const fiveMs = five.reduce((sum, { estimateMs }) => sum + estimateMs, 0);
  expect(fiveMs).toBeLessThan(0.95 * estimateMs(everything, short));
  expect(estimateMs(everything, short)).toBeLessThan(3 * 60_000);
  expect(estimateMs(everything, standard)).toBeGreaterThan(3 * 60_000);
  const quick = { ...everything, scenarios: scenarios.slice(0, 1) };
  expect(estimateMs(quick, settingsOf("quick"))).toBeLessThan(30_000);
});

// What who is overloaded still takes shows what he can take, well or badly.
test.each([
  ["well", 1, 8],
  ["too low", 0.3, 9],
  ["too high", 3, 9],
  ["not at all", 0, 12],
])(
  "the highest rate is found between two that are no more than a third apart, guessed %s",
  (_, hint, most) => {
    for (let capacity = 1; capacity < 24_000; capacity = Math.ceil(capacity * 1.07)) {
      const steps: Parameters<typeof nextRate>[0][number][] = [];
      for (let rate = nextRate(steps); rate !== undefined; rate = nextRate(steps)) {
        const isHeld = rate <= capacity;
        const takenPerSecond = isHeld ? rate : hint * capacity;
        steps.push({ rate, takenPerSecond, problem: isHeld ? undefined : problem });
      }
      const rates = steps.map(({ rate }) => rate);
      const held = Math.max(...rates.filter((rate) => rate <= capacity));
      const next = Math.min(...rates.filter((rate) => rate > capacity));
      expect(next).toBeLessThanOrEqual(Math.max(held + 1, (held * 4) / 3));
      expect(rates.length).toBeLessThanOrEqual(most);
      expect(new Set(rates).size).toBe(rates.length);
    }
  },
);

test("nobody is tried with less than one event in a second, or with more than the end", () => {
  expect(nextRate([{ rate: 1, takenPerSecond: 1, problem }])).toBeUndefined();
  const rates: number[] = [];
  const steps: Parameters<typeof nextRate>[0][number][] = [];
  for (let rate = nextRate(steps); rate !== undefined; rate = nextRate(steps)) {
    rates.push(rate);
    steps.push({ rate, takenPerSecond: rate, problem: undefined });
  }
  expect(rates.length).toBeLessThan(8);
  expect(Math.max(...rates)).toBeGreaterThan(49_152);
  expect(Math.max(...rates)).toBeLessThanOrEqual(65_536);
});

test("where the edge was known about, two steps find it, and a few more where it has moved", () => {
  for (let known = 30; known < 24_000; known = Math.ceil(known * 1.07))
    for (const moved of [1, 0.5, 2]) {
      const capacity = known * moved;
      const steps: Parameters<typeof nextRate>[0][number][] = [];
      for (let rate = nextRate(steps, known); rate !== undefined; rate = nextRate(steps, known)) {
        const isHeld = rate <= capacity;
        steps.push({ rate, takenPerSecond: rate, problem: isHeld ? undefined : problem });
      }
      const held = Math.max(...steps.map(({ rate }) => rate).filter((rate) => rate <= capacity));
      const next = Math.min(...steps.map(({ rate }) => rate).filter((rate) => rate > capacity));
      expect(next).toBeLessThanOrEqual(Math.max(held + 1, (held * 4) / 3));
      expect(steps.length).toBeLessThanOrEqual(moved === 1 ? 2 : 6);
    }
});

test("each round is in an order of its own, and has everybody in all that there is time for", () => {
  const settings = { ...settingsOf("default"), isShort: true };
  const plan = planOf(everything, settings);
  expect(planOf(everything, settings)).toEqual(plan);
  const once = everything.contenders.map(({ name }) => name).toSorted();
  const withTwice = (...twice: readonly string[]) =>
    once.flatMap((name) => (twice.includes(name) ? [`${name}A`, `${name}B`] : name)).toSorted();
  const techniquesTwice = withTwice(...lanes.map(({ name }) => name));
  /** Of each scenario, who is in each of its rounds. */
  const roundsIn = (runs: typeof plan) =>
    [...Map.groupBy(runs, ({ scenario }) => scenario.name)].map(([name, own]) => ({
      name,
      rounds: [...Map.groupBy(own, ({ round }) => round)].map(([, runs]) =>
        runs.map(({ contender, replica = "" }) => contender.name + replica),
      ),
    }));
  const played = roundsIn(plan);
  expect(played.map(({ name, rounds }) => [name, rounds.length])).toEqual([
    ["fan-out", 13],
    ["idle", 5],
    ["storm", 5],
    ["frontier", 5],
  ]);
  expect(new Set(played[0]?.rounds.map(String)).size).toBe(13);
  // What a machine does for a minute meets all scenarios.
  const order = plan.map(({ round }) => round);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  for (const { name, rounds } of played)
    for (const names of rounds)
      expect(names.toSorted()).toEqual(name === "fan-out" ? techniquesTwice : once);

  // Where there is time, everything is played, and everywhere one runs twice.
  const asked = roundsIn(planOf(everything, { ...settings, isShort: false }));
  const full = roundsIn(planOf(everything, settingsOf("full")));
  for (const all of [asked, full])
    expect(all.map(({ name }) => name)).toEqual(scenarios.map(({ name }) => name));
  for (const { name, rounds } of full) {
    expect(rounds).toHaveLength(5);
    for (const names of rounds)
      expect(names.toSorted()).toEqual(name === "fan-out" ? techniquesTwice : withTwice("sse"));
  }
});
