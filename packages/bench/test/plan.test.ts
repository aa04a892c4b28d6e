import { expect, test } from "bun:test";
import { baselines, lanes } from "../src/contenders.ts";
import { estimateMs } from "../src/engine.ts";
import { planOf } from "../src/plan.ts";
import { scenarios } from "../src/scenarios.ts";
import { settingsOf } from "../src/settings.ts";

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
