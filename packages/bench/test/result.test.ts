import { expect, test } from "bun:test";
import { Glob } from "bun";
import { resolve } from "node:path";
import { metrics, validateResult } from "../src/index.ts";
import { scenarios } from "../src/scenarios.ts";
import { settingsOf } from "../src/settings.ts";
import { sample } from "./result.ts";

/** The sample in which one field, named by its path, has another value. */
const broken = (path: string, value: unknown): unknown => {
  const result: unknown = JSON.parse(JSON.stringify(sample()));
  const names = path.split(".");
  const last = names.pop() ?? "";
  const holder = names.reduce<unknown>((part, name) => Reflect.get(Object(part), name), result);
  Reflect.set(Object(holder), last, value);
  return result;
};

test("a result may travel as JSON", () => {
  const result = sample();
  expect(validateResult(JSON.parse(JSON.stringify(result)))).toEqual(result);
});

test.each([
  ["schema", "tidings-bench/2", 'schema: must be tidings-bench/1, not "tidings-bench/2".'],
  ["startedAt", "today", "startedAt: must be a time such as 2026-11-20T21:48:00.000Z"],
  ["startedAt", "1", "startedAt: must be a time such as 2026-11-20T21:48:00.000Z"],
  ["startedAt", "2026-13-01T00:00:00Z", "startedAt: must be a time such as"],
  ["runs.0.startedAt", "2026-11-20", "runs[0].startedAt: must be a time such as"],
  ["runs", [], "runs: must have at least one."],
  ["runs.0.round", 0, "runs[0].round: must be a whole number, 1 or more, not 0."],
  ["runs.0.round", 2, "runs[0].round: must be no more than method.rounds, 1, not 2."],
  ["runs.0.order", 0, "runs[0].order: must be a whole number, 1 or more, not 0."],
  ["method.rounds", 0, "method.rounds: must be a whole number, 1 or more, not 0."],
  ["runs", undefined, "runs: must be a list, not undefined."],
  ["tookMs", -1, "tookMs: must be a number from 0 to 2^53 - 1, not -1."],
  ["tookMs", 1e308, "tookMs: must be a number from 0 to 2^53 - 1, not 1e+308."],
  ["tookMs", null, "tookMs: must be a number from 0 to 2^53 - 1, not null."],
  ["conditions.commit", "", 'conditions.commit: must be a text, not "".'],
  ["conditions.dirty", "no", 'conditions.dirty: must be true or false, not "no".'],
  ["conditions.cores", 1.5, "conditions.cores: must be a whole number, 0 or more, not 1.5."],
  ["conditions.pinned", { server: 0 }, "conditions.pinned.load: must be a whole number"],
  [
    "conditions.pinned",
    { server: 0, load: 1, awake: 1 },
    "conditions.pinned.awake: must be true or false",
  ],
  ["conditions.colour", "red", "conditions.colour: is no field of a result."],
  ["conditions.constructor", "red", "conditions.constructor: is no field of a result."],
  ["contenders.0.kind", "friend", "contenders[0].kind: must be tidings or baseline or peer"],
  ["runs.0.contender", "smoke", "runs[0].contender: must be the name of one of contenders"],
  ["runs.0.scenario", "smoke", "runs[0].scenario: must be the name of one of scenarios"],
  ["runs.0.replica", "C", "runs[0].replica: must be A or B"],
  ["runs.0.outcome.kind", "zero", "runs[0].outcome.kind: must be measured or failed or invalid"],
  ["runs.0.outcome.metrics.speed", 1, "a name in runs[0].outcome.metrics: must be serverCpuUs"],
  ["runs.0.outcome.metrics.doubled", NaN, "runs[0].outcome.metrics.doubled: must be a number"],
  ["runs.0.outcome.staleness.counts.1", [200, 1], "counts[1]: must be above the bucket before it"],
  ["runs.0.outcome.staleness.counts.0", [200], "counts[0]: must be a pair [upTo, count]"],
  ["runs.0.outcome", { kind: "failed", reason: "lost" }, "runs[0].outcome.lost: must be a whole"],
  ["runs.0.outcome", { kind: "invalid", reason: "" }, "runs[0].outcome.reason: must be a text"],
])("%s = %p is named", (path, value, message) => {
  expect(() => validateResult(broken(path, value))).toThrow(message);
});

test.each(["contenders", "scenarios"] as const)("two %s of one name or title are named", (part) => {
  const result = sample();
  const withTwin = (difference: object) => ({
    ...result,
    [part]: result[part].flatMap((one) => [one, { ...one, ...difference }]),
  });
  for (const [field, other] of [
    ["name", "title"],
    ["title", "name"],
  ] as const)
    expect(() => validateResult(withTwin({ [other]: "another" }))).toThrow(
      `${part}[1].${field}: is that of ${part}[0] as well.`,
    );
});

test("a field named like what every object has is none", () => {
  const text = JSON.stringify(sample()).replace("{", '{"__proto__":1,');
  expect(() => validateResult(JSON.parse(text))).toThrow(/^__proto__: is no field of a result\.$/);
});

test("what is no object at all is called a result", () => {
  expect(() => validateResult(null)).toThrow("a result: must be an object, not null.");
});

test("a round that is there twice is named; replicas and other work are others", () => {
  const result = { ...sample(), method: { ...sample().method, rounds: 2 } };
  const [run] = result.runs;
  if (!run) throw new Error("the sample has no run");
  const params = { subscribers: 200, rate: 1 };
  const others = [
    { ...run, replica: "B" as const },
    { ...run, round: 2 },
    { ...run, params },
  ];
  const valid = { ...result, runs: [run, ...others] };
  expect(validateResult(valid)).toEqual(valid);
  // The order in which params stand says nothing.
  const again = { ...run, params: { rate: 1, subscribers: 200 } };
  expect(() => validateResult({ ...valid, runs: [...valid.runs, again] })).toThrow(
    "runs[4]: is the same round of the same work as runs[3].",
  );
});

const root = resolve(import.meta.dir, "../../..");
const results = [...new Glob("bench/results/*.json").scanSync(root)];

test("every committed result is valid, and named by its day and its commit", async () => {
  for (const path of results) {
    const { startedAt, conditions } = validateResult(await Bun.file(`${root}/${path}`).json());
    const name = `${startedAt.slice(0, 10)}-${conditions.commit.slice(0, 7)}.json`;
    expect({ path, dirty: conditions.dirty }).toEqual({
      path: `bench/results/${name}`,
      dirty: false,
    });
  }
});

test("RESULT.md names every field, kind and metric", async () => {
  const guide = await Bun.file(resolve(import.meta.dir, "../RESULT.md")).text();
  const fields = (value: unknown): string[] =>
    Array.isArray(value)
      ? value.flatMap(fields)
      : typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([name, each]) => [name, ...fields(each)])
        : [];
  const kinds = ["measured", "failed", "invalid", "not applicable", "lost", "doubled", "reordered"];
  const asked = scenarios.flatMap(({ params }) => Object.keys(params(settingsOf("default"))));
  const known = [...new Set([...fields(sample()), ...asked, ...Object.keys(metrics), ...kinds])];
  const missing = known.filter(
    (name) => !guide.includes(`\`${name}\``) && !guide.includes(`"${name}"`),
  );
  // Names that are the bench's own, below `versions` and `samples`.
  const free = ["bun", "elysia", "kernel"];
  expect(missing).toEqual(free);
});
