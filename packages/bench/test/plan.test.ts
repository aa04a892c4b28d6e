import { expect, test } from "bun:test";
import { baselines, lanes } from "../src/contenders.ts";
import { estimateMs } from "../src/engine.ts";
import { peers } from "../src/peers.ts";
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
  expect(estimateMs(everything, settingsOf("default"))).toBeLessThan(3 * 60_000);
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
  expect(Math.max(...rates)).toBeGreaterThan(24_000);
  expect(Math.max(...rates)).toBeLessThanOrEqual(32_768);
});

test("each round has everybody once, one of them twice, in an order of its own", () => {
  const settings = settingsOf("default");
  const plan = planOf(everything, settings);
  expect(planOf(everything, settings)).toEqual(plan);
  const rounds = Map.groupBy(
    plan.filter(({ scenario }) => scenario.name === "fan-out"),
    ({ round }) => round,
  );
  expect([...rounds.keys()]).toEqual([1, 2, 3, 4, 5]);
  const orders = [...rounds.values()].map((runs) =>
    runs.map(({ contender, replica = "" }) => contender.name + replica),
  );
  const all = [...everything.contenders.map(({ name }) => name), "sseA", "sseB"];
  for (const order of orders)
    expect(order.toSorted()).toEqual(all.filter((name) => name !== "sse").toSorted());
  expect(new Set(orders.map(String)).size).toBeGreaterThan(1);
  // Elsewhere a round is enough, of everybody, peers included.
  const joined = [...everything.contenders, ...peers()];
  const beside = planOf({ scenarios, contenders: joined }, settings);
  const storm = beside.filter(({ scenario }) => scenario.name === "storm");
  expect(storm.map(({ contender }) => contender.name).toSorted()).toEqual(
    joined.map(({ name }) => name).toSorted(),
  );
  // With more time it is the same everywhere.
  const full = planOf(everything, settingsOf("full"));
  for (const { name } of scenarios) {
    const runs = full.filter(({ scenario }) => scenario.name === name);
    for (const round of [1, 2, 3, 4, 5])
      expect(
        runs
          .filter((run) => run.round === round)
          .map(({ contender, replica = "" }) => contender.name + replica)
          .toSorted(),
      ).toEqual(orders[0]?.toSorted() ?? []);
  }
});
