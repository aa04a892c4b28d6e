import { expect, test } from "bun:test";
import {
  compare,
  renderComparison,
  renderMarkdown,
  renderMeasured,
  renderReport,
  renderTable,
  type Result,
} from "../src/index.ts";
import { answerOf } from "../src/report/answer.ts";
import { summaryOf } from "../src/report/summary.ts";
import { digits, withUnit } from "../src/report/words.ts";
import { sample } from "./result.ts";
import { synthetic } from "./synthetic.ts";

test.each([
  [0, "0 µs"],
  [0.0123, "0.0123 µs"],
  [999.4, "999 µs"],
  [999.6, "1 ms"],
  [1_234, "1.23 ms"],
  [59_960_000, "60 s"],
])("%d µs is written as %s", (value, text) => {
  expect(withUnit(value, "µs")).toBe(text);
});

test("other units are written as they are", () => {
  expect([withUnit(1_536, "B"), withUnit(2, "ms"), withUnit(3, ""), digits(16_384)]).toEqual([
    "1.54 kB",
    "2 ms",
    "3",
    "16,400",
  ]);
});

const result = synthetic({ seed: 4 });
const rowOf = (name: string) =>
  renderTable(result)
    .split("\n")
    .find((line) => line.startsWith(`${name} `)) ?? "";

test("the table and the comparison fit 100 columns", () => {
  const comparison = compare(result, synthetic({ seed: 2, slowed: { sse: 1.2 } }));
  for (const text of [renderTable(result), renderComparison(comparison)]) {
    const lines = text.split("\n");
    expect(lines.filter((line) => Bun.stringWidth(line) > 100)).toEqual([]);
    expect(lines.length).toBeGreaterThan(10);
  }
});

test("every name is whole, also where it has no room beside its figures", () => {
  const peers = ["short-poll/node-http", "short-poll/node-ws", "short-poll/node-https"];
  const like = result.runs.filter(({ contender }) => contender === "ws");
  const table = renderTable({
    ...result,
    contenders: [
      ...result.contenders,
      ...peers.map((name) => ({ name, title: name, kind: "peer" as const, deviations: [] })),
    ],
    runs: [
      ...result.runs,
      ...peers.flatMap((name) => like.map((run) => ({ ...run, contender: name }))),
    ],
  });
  const lines = table.split("\n");
  // What ws has, each of them has.
  const figures = rowOf("ws").slice(2).trim().replaceAll(/[*=]/g, " ");
  for (const name of peers) {
    const at = lines.findIndex((line) => line.split(" ")[0] === name);
    const row = `${lines[at]}${lines[at] === name ? lines[at + 1] : ""}`;
    expect(row.slice(name.length).trim()).toBe(figures.trim());
  }
  expect(lines.filter((line) => Bun.stringWidth(line) > 100)).toEqual([]);
});

test("where there is no figure, a word and its reason stand, and never 0", () => {
  const table = renderTable(result);
  expect(rowOf("sse/raw-bun")).toEndWith("FAILED");
  expect(table).toContain("FAILED storm, sse/raw-bun: 3 events were lost. (lost 3)");
  expect(rowOf("short-poll")).toContain(" n/a ");
  expect(table).toContain("n/a burst, short-poll: A poll's staleness is its interval");
  expect(table).not.toMatch(/ (0|NaN|undefined|-)[*= ]/);
});

test("a reason that several have in common is said once, within 100 columns", () => {
  const blind = { kind: "not applicable", reason: "Who comes back is not given all." } as const;
  const runs = result.runs.map((run): Result["runs"][number] =>
    (run.scenario === "storm" && run.contender !== "sse/raw-bun") ||
    (run.scenario === "frontier" && run.params.rate === 10)
      ? { ...run, outcome: blind }
      : run,
  );
  const table = renderTable({ ...result, runs });
  expect(table).toContain(
    "n/a storm, short-poll, long-poll, sse, ws, webhook: Who comes back is not given all.\n",
  );
  expect(table).toMatch(
    /^n\/a frontier, short-poll \(subscribers 100, rate 10, pollMs 100\), short-poll \(/m,
  );
  expect(table).toContain("FAILED storm, sse/raw-bun: 3 events were lost.");
  expect(table.match(/^n\/a /gm)).toHaveLength(3);
  expect(table.split("\n").filter((line) => Bun.stringWidth(line) > 100)).toEqual([]);
});

test("why memory has no figure is said wherever it has none", () => {
  const idle = (subscribers: number): Result => ({
    ...result,
    scenarios: result.scenarios.map((one) =>
      one.name === "idle" ? { ...one, params: { subscribers } } : one,
    ),
    runs: result.runs.flatMap((run): Result["runs"] => {
      if (run.scenario !== "idle" || !["sse", "ws"].includes(run.contender)) return [];
      const outcome = { kind: "measured", metrics: { requestsPerSubscriberSecond: 0 } } as const;
      return [{ ...run, params: { subscribers }, outcome }];
    }),
  });
  const said = (shown: Result) =>
    [renderTable(shown), renderMarkdown(shown), renderReport(shown)].map(
      (text) => /– idle, memory, [^\n<]*/.exec(text)?.[0],
    );
  const told = (why: string) => Array(3).fill(`– idle, memory, sse, ws: ${why}`);
  expect(said(idle(199))).toEqual(told("it is weighed from 200 subscribers on"));
  expect(said(idle(200))).toEqual(told("it did not grow in every round"));
  expect(said(result)).toEqual(Array(3).fill(undefined));
});

test("what was not played is a dash, and a single round is not judged without noise", () => {
  const [line = ""] = renderTable(sample()).split("\n").slice(2);
  expect(line).toBe("sse   200 µs   300 µs   2.2 µs        –        –        –");
  expect(renderTable(sample())).toContain("Too little could be measured twice");
});

test("what is only known to be at least so much is shown as that", () => {
  const runs = result.runs.map((run): Result["runs"][number] =>
    run.scenario === "burst" && run.outcome.kind === "measured"
      ? { ...run, outcome: { ...run.outcome, atLeast: ["highestRate"] } }
      : run,
  );
  expect(renderTable({ ...result, runs })).toMatch(/^ws .* ≥[\d,]+ /m);
  expect(rowOf("ws")).not.toContain("≥");
});

test("ties are shown as ties: sse and ws deliver equally soon, and cost differently", () => {
  expect(rowOf("sse")).toMatch(/^sse +\S+ µs= +\S+ ms= +\S+ µs  /);
  expect(rowOf("ws")).toMatch(/^ws +\S+ µs= +\S+ ms= +\S+ µs\*/);
  expect(rowOf("long-poll")).not.toMatch(/^long-poll +\S+ ms[*=]/);
});

test("a figure that some rounds lack is none, and nobody is the best while it lacks", () => {
  const lacking = (from: number): Result => ({
    ...result,
    runs: result.runs.map((run) => {
      const { scenario, contender, round, outcome } = run;
      if (scenario !== "idle" || contender !== "sse" || outcome.kind !== "measured") return run;
      const { rssBytesPerSubscriber: _, ...metrics } = outcome.metrics;
      return round < from ? run : { ...run, outcome: { ...outcome, metrics } };
    }),
  });
  const memory = (shown: Result) =>
    summaryOf(shown)
      .rows.flatMap(({ entries }) => entries)
      .filter(({ column: { figure } }) => figure === "rssBytesPerSubscriber")
      .map(({ cell, estimate, place }) => [cell?.contender.name, estimate?.rounds, place]);
  const ofAll = memory(result);
  const without = (best: string | undefined) =>
    ofAll.map(([name, rounds, place]) =>
      name === "sse" ? [name, undefined, undefined] : [name, rounds, best && place],
    );
  expect(ofAll).toContainEqual(["short-poll", 5, "best"]);
  expect(memory(lacking(5))).toEqual(without(undefined));
  // What no round has, this technique cannot have: the others are ranked.
  expect(memory(lacking(1))).toEqual(without("best"));
});

test("fewer than five rounds have no marks and no intervals, and the legend says so", () => {
  for (const rounds of [2, 4]) {
    const few = synthetic({ seed: 1, rounds });
    const rows = renderTable(few).split("\n\n")[0];
    expect(rows).toMatch(/^ws /m);
    expect(rows).not.toMatch(/[*=]/);
    expect(renderTable(few)).not.toMatch(/in fan-out staleness/);
    expect(renderMarkdown(few)).not.toMatch(/\| [^|]*\([^|]* – [^|]*\) \|/);
  }
  expect(renderTable(result).replaceAll(/\s+/g, " ")).toContain(
    "Fewer than 5 rounds have no interval and no mark;",
  );
}, 60_000);

test("whose noise it is, is said", () => {
  const table = renderTable(result).replaceAll(/\s+/g, " ");
  expect(table).toContain("what those that ran twice in each round differ by from themselves");
  expect(table).toMatch(/in frontier server CPU per delivery [\d.]+ %\.? /);
});

test("without noise to hold single rounds to, nothing is called the cheapest alone", () => {
  const once = synthetic({ seed: 1, rounds: 1 });
  const blind = { ...once, runs: once.runs.filter(({ replica }) => replica !== "B") };
  const cheapest = /the cheapest is /;
  expect(renderTable(once).replaceAll(/\s+/g, " ")).toMatch(cheapest);
  expect(renderTable(blind).replaceAll(/\s+/g, " ")).not.toMatch(cheapest);
});

test("the answer says what costs least at which rate", () => {
  const table = renderTable(result).replaceAll(/\s+/g, " ");
  expect(table).toMatch(/0\.1 (to [\d.]+ )?events\/s, the cheapest (is|are) .*WebSockets/);
  expect(table).toMatch(
    /Short polling every 1 s is cheaper than Long polling from about [\d.]+ events\/s on/,
  );
});

test("what is said of several rates holds at each of them", () => {
  const { options, choices, boundsUs, sentences } = answerOf(result) ?? {};
  const said = sentences?.find((sentence) => sentence.startsWith("From ")) ?? "";
  const [, from, to, low, high, unit] =
    /^From ([\d.]+) to ([\d.]+) events\/s, .*?: ([\d.]+) – ([\d.]+) (µs|ms) of server CPU/.exec(
      said,
    ) ?? [];
  const costs = (choices ?? [])
    .filter(({ boundUs, rate }) => boundUs === boundsUs?.at(-1) && rate >= Number(from))
    .filter(({ rate }) => rate <= Number(to))
    .flatMap(({ best }) => best.map(({ costUs }) => costUs));
  expect(costs.length).toBeGreaterThan(1);
  expect([withUnit(Math.min(...costs), "µs"), withUnit(Math.max(...costs), "µs")]).toEqual([
    `${low} ${unit}`,
    `${high} ${unit}`,
  ]);
  expect(options?.length).toBeGreaterThan(costs.length);
});

/** A result of nothing but the frontier, where all rounds are alike. */
const frontier = (
  ages: Readonly<Record<string, number>>,
  costs: Readonly<Record<string, readonly number[]>>,
): Result => ({
  ...result,
  runs: result.runs.flatMap((run) => {
    const { scenario, contender, params, replica } = run;
    const cost = costs[contender]?.[[0.1, 1, 10, 100].indexOf(params.rate ?? NaN)];
    const isPlayed = scenario === "frontier" && [undefined, 5_000].includes(params.pollMs);
    if (!isPlayed || cost === undefined || replica === "B") return [];
    const staleness = { unit: "us", counts: [[ages[contender] ?? NaN, 9]] } as const;
    const metrics = { serverCpuUsPerDelivery: cost };
    return [{ ...run, outcome: { kind: "measured", metrics, staleness } }];
  }),
});

test("one overtakes another where it has come from really behind to really ahead", () => {
  const ages = { sse: 700, ws: 700 };
  // At 1/s and 10/s they cannot be told apart, whoever seems ahead.
  const ties = frontier(ages, { sse: [20, 9.99, 9.99, 5], ws: [10, 10, 10, 10] });
  expect(answerOf(ties)?.overtakings.map(({ rate }) => digits(rate))).toEqual(["3.16"]);
  // Who is overtaken in turn has not been.
  const turns = frontier(ages, { sse: [20, 5, 20, 5], ws: [10, 10, 10, 10] });
  expect(answerOf(turns)?.overtakings).toEqual([]);
});

test("of what is about as fresh, the cheaper is advised", () => {
  const cheap = [1, 1, 1, 1];
  const advice = (ages: Readonly<Record<string, number>>) =>
    answerOf(
      frontier(
        { "short-poll": 2_000_000, ...ages },
        { "short-poll": cheap, sse: [3, 3, 3, 3], ws: [6, 6, 6, 6] },
      ),
    )?.sentences.join();
  expect(advice({ ws: 700, sse: 705 })).toContain(
    "Fresher is Server-Sent Events (705 µs), for 3 ×",
  );
  expect(advice({ ws: 700, sse: 1_500 })).toContain("Fresher is WebSockets (700 µs), for 6 ×");
  // Half the age is worth a word, and no less.
  expect(advice({ ws: 1_100_000, sse: 1_200_000 })).not.toContain("Fresher");
});

test("how fine a highest rate is, is said", () => {
  const stepped = (highestRate: number, rate: readonly number[]): Result => ({
    ...result,
    runs: result.runs.map((run) =>
      run.scenario === "burst" && run.contender === "ws"
        ? { ...run, outcome: { kind: "measured", metrics: { highestRate }, samples: { rate } } }
        : run,
    ),
  });
  const text = "the next one, which was not held, was up to 50 % higher.";
  const tried = stepped(200, [100, 400, 200, 300]);
  for (const shown of [
    renderTable(tried),
    renderMarkdown(tried),
    renderMeasured(tried, "ws"),
    renderReport(tried),
  ])
    expect(shown.replaceAll(/\s+/g, " ")).toContain(text);
  // Where no rate failed, there is no step.
  expect(renderTable(stepped(200, [100, 200]))).not.toContain("tried in steps");
}, 60_000);

test("figures beside a technique say how many rounds each scenario has", () => {
  expect(renderMeasured(result, "sse")).toContain(
    "Medians of the rounds (fan-out 5, idle 5, burst 5, storm 5, frontier 5)",
  );
  const once = {
    ...result,
    runs: result.runs.filter(({ scenario, round }) => scenario === "fan-out" || round === 1),
  };
  const few = renderMeasured(once, "sse");
  expect(few).toContain("(fan-out 5, idle 1, burst 1, storm 1, frontier 1)");
  expect(few).not.toContain("5 rounds ·");
});

test("Markdown has the figures with their intervals, and the conditions", () => {
  const markdown = renderMarkdown(result);
  expect(markdown).toMatch(/\| WebSockets \| \d+ µs= \(\d+ – \d+ µs\) \|/);
  expect(markdown).toContain("| n/a |");
  expect(markdown).toContain("a processor that does not exist · 2 cores · 4 GiB · bun 1.4.5");
});

test("in brief it has the techniques only", () => {
  const markdown = renderMarkdown(result, { brief: true });
  expect(markdown).toMatch(/\| WebSockets \| \d+ µs= \| /);
  expect(markdown).not.toContain("by hand");
});

test("a technique's figures stand beside those of the same by hand", () => {
  const rows = renderMeasured(result, "sse").split("\n");
  expect(rows[0]).toBe("|  | here | by hand, on `Bun.serve` |");
  expect(rows[2]).toMatch(/^\| fan-out: staleness, median \| \d+ µs \(.*\) \| \d+ µs \(.*\) \|$/);
  expect(rows.find((row) => row.includes("whole again"))).toEndWith(" FAILED |");
  expect(rows.at(-1)).toContain("commit 0000000 · a processor that does not exist");
  expect(renderMeasured(result, "smoke")).toBe("The last result has nothing of smoke.");
});

test("a comparison says what is slower, or that all is equal", () => {
  const slower = renderComparison(compare(result, synthetic({ seed: 2, slowed: { sse: 1.2 } })));
  expect(slower).toMatch(/^slower fan-out, sse: server CPU per delivery .* → .*, 1\.\d+ ×/m);
  expect(renderComparison(compare(result, result))).toMatch(/^equal: none of \d+ figures/m);
});
