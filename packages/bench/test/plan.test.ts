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

test("the highest rate is found between two that are no more than a third apart", () => {
  for (let capacity = 1; capacity < 30_000; capacity = Math.ceil(capacity * 1.07)) {
    const steps: Parameters<typeof nextRate>[0][number][] = [];
    for (let rate = nextRate(steps); rate !== undefined; rate = nextRate(steps))
      steps.push({ rate, problem: rate > capacity ? problem : undefined });
    const rates = steps.map(({ rate }) => rate);
    const held = Math.max(...rates.filter((rate) => rate <= capacity));
    const next = Math.min(...rates.filter((rate) => rate > capacity));
    expect(next).toBeLessThanOrEqual(Math.max(held + 1, (held * 4) / 3));
    expect(rates.length).toBeLessThan(9);
    expect(new Set(rates).size).toBe(rates.length);
  }
  // Nobody is tried with less than one, or with more than the end.
  expect(nextRate([{ rate: 1, problem }])).toBeUndefined();
  expect(nextRate([{ rate: 32_768, problem: undefined }])).toBeUndefined();
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
  // Elsewhere a round is enough, and the techniques are among themselves.
  const storm = plan.filter(({ scenario }) => scenario.name === "storm");
  expect(storm.map(({ contender }) => contender.kind)).toEqual(lanes.map(() => "tidings"));
  // Beside peers everybody is everywhere.
  const [peer] = peers();
  if (!peer) throw new Error("There are no peers.");
  const joined = [...everything.contenders, peer];
  const beside = planOf({ scenarios, contenders: joined }, settings).filter(
    ({ scenario }) => scenario.name === "storm",
  );
  expect(new Set(beside.map(({ contender }) => contender))).toEqual(new Set(joined));
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
