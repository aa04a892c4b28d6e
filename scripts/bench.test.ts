import { expect, test } from "bun:test";
import { existsSync, watch } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { validateResult, type Result } from "@tidings/bench";
import { output } from "./testing.ts";

// Whether the machine has time for the generator is none of these tests' business.
const fine = ["measured", "invalid"];
const codeOf = ({ runs }: Result) =>
  runs.some(({ outcome }) => outcome.kind === "measured") ? 0 : 1;

/** A folder for results, which goes with them. */
const scratch = async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-bench-test-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
};

test("a bench from end to end: the JSON, the report, and the same report again", async () => {
  await using made = await scratch();
  const { folder } = made;
  const few = ["--subscribers", "3", "--rate", "20", "--rounds", "1", "--out", folder];
  const work = ["--scenario", "fan-out", "--only", "ws,webhook/raw-bun", ...few];
  // Whoever has a token in the environment has it for other servers.
  const { code, stdout } = await output("bench", [...work, "--json"], { TIDINGS_TOKEN: "sesame" });
  const result = validateResult(JSON.parse(stdout.join("\n")));
  expect(code).toBe(codeOf(result));
  expect(result.contenders.map(({ name }) => name)).toEqual([
    "ws",
    "ws/raw-bun",
    "webhook/raw-bun",
  ]);
  expect(result.runs).toHaveLength(4);
  for (const { outcome, params } of result.runs) {
    expect(fine).toContain(outcome.kind);
    expect(params).toMatchObject({ subscribers: 3, rate: 20 });
  }
  expect(result.conditions.yardsticks).toMatch(/^[0-9a-f]{64}$/);
  // Where it was written is in no result.
  expect(result.conditions.flags.join(" ")).toContain("--only ws,webhook/raw-bun");
  expect(JSON.stringify(result)).not.toContain(folder);
  expect(result.audit.map(({ lane }) => lane)).toEqual(["ws", "webhook"]);

  const files = (await readdir(folder)).toSorted();
  expect(files).toEqual([expect.stringMatching(/\.html$/), expect.stringMatching(/\.json$/)]);
  const json = join(folder, files[1] ?? "");
  expect(await Bun.file(json).json()).toEqual(JSON.parse(stdout.join("\n")));
  const html = join(folder, files[0] ?? "");
  const page = await Bun.file(html).text();
  await rm(html);
  expect(await output("bench", ["report", json])).toMatchObject({ code: 0, stderr: [] });
  expect(await Bun.file(html).text()).toBe(page);
  const elsewhere = join(folder, "elsewhere");
  expect(await output("bench", ["report", json, "--out", elsewhere])).toMatchObject({ code: 0 });
  expect(await readdir(elsewhere)).toEqual([files[0] ?? ""]);
  expect(await output("bench", ["report", json, "--out", json])).toMatchObject({
    code: 2,
    stdout: [],
    stderr: [expect.stringMatching(/^tidings: --out: choose a folder that can be written to/)],
  });

  // One round tells nothing about noise.
  const compared = await output("bench", ["compare", json, json]);
  expect(compared).toMatchObject({
    code: 2,
    stderr: [expect.stringMatching(/^tidings: compare: /)],
  });
}, 60_000);

test("a server that is killed and comes back makes every subscriber whole again", async () => {
  await using made = await scratch();
  const few = ["--subscribers", "3", "--rounds", "1", "--only", "sse,long-poll,webhook"];
  const work = ["--scenario", "storm", ...few, "--out", made.folder, "--json"];
  const { code, stdout } = await output("bench", work);
  const result = validateResult(JSON.parse(stdout.join("\n")));
  expect(code).toBe(codeOf(result));
  // A baseline that keeps nothing has no part in a restart.
  const runs = result.runs.filter(({ contender }) => !contender.includes("/"));
  expect(runs.map(({ contender }) => contender).toSorted()).toEqual([
    "long-poll",
    "sse",
    "webhook",
  ]);
  for (const { outcome } of runs) expect(fine).toContain(outcome.kind);
}, 60_000);

test("a bench that is stopped says so in a line, and leaves nothing behind", async () => {
  await using made = await scratch();
  const { folder } = made;
  const work = ["--scenario", "storm", "--only", "sse", "--out", join(folder, "out")];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  // The first that it keeps there is the data of a storm.
  const watcher = watch(folder, (_, name) => name?.startsWith("tidings-bench-") && begin());
  const bench = Bun.spawn([process.execPath, "scripts/bench.ts", ...work], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  await begun;
  watcher.close();
  bench.kill("SIGINT");
  expect(await bench.stderr.text()).toEndWith("tidings: stopped before the end\n");
  expect(await bench.exited).toBe(130);
  expect(await readdir(folder)).toEqual(["out"]);
}, 60_000);

test("a bench that could measure nothing says so, and ends with 1", async () => {
  await using made = await scratch();
  // What keeps nothing has no part in a restart.
  const work = [
    "--full",
    "--rounds",
    "1",
    "--scenario",
    "storm",
    "--only",
    "sse/raw-bun,short-poll/raw-bun",
  ];
  const ended = await output("bench", [...work, "--out", made.folder, "--json"]);
  const { runs } = validateResult(JSON.parse(ended.stdout.join("\n")));
  expect(new Set(runs.map(({ outcome }) => outcome.kind))).toEqual(new Set(["not applicable"]));
  // Only who rests between polls is told for how long.
  const told = runs.filter(({ params }) => params.pollMs === 150);
  expect(new Set(told.map(({ contender }) => contender))).toEqual(new Set(["short-poll/raw-bun"]));
  expect(runs.filter(({ params }) => "pollMs" in params)).toEqual(told);
  expect(ended.code).toBe(1);
  expect(ended.stderr.at(-1)).toStartWith("tidings: nothing could be measured");
}, 60_000);

/** A short bench in a folder, on a day of which `Date` says this. */
const benchOn = async (today: string, scenario: string, folder: string) => {
  const clock = join(folder, "clock.ts");
  await Bun.write(clock, `Date.prototype.toISOString = () => "${today}";`);
  const work = ["--scenario", scenario, "--only", "ws/raw-bun", "--subscribers", "3"];
  const env = { BUN_OPTIONS: `--preload ${clock}` };
  return output("bench", [...work, "--rounds", "1", "--out", folder], env);
};

test("a result that is not valid is kept, and said with where it lies", async () => {
  await using made = await scratch();
  const { folder } = made;
  const ended = await benchOn("today", "fan-out", folder);
  expect(ended).toMatchObject({ code: 1, stdout: [] });
  expect(ended.stderr.at(-1)).toMatch(/^tidings: .*bench-today\.json: startedAt: /);
  expect(await Bun.file(join(folder, "bench-today.json")).json()).toHaveProperty("runs");
}, 60_000);

test("a report that cannot be written takes no table with it", async () => {
  await using made = await scratch();
  const { folder } = made;
  await mkdir(join(folder, "bench-2026-01-01T00-00-00-000Z.html"));
  const ended = await benchOn("2026-01-01T00:00:00.000Z", "idle", folder);
  expect(ended.code).toBe(1);
  expect(ended.stdout.join("\n")).toContain("idle");
  expect(ended.stderr.at(-1)).toMatch(/^tidings: .*\.html: EISDIR/);
}, 60_000);

test("two of one title are refused before anything is measured", async () => {
  await using made = await scratch();
  const same = join(made.folder, "same.ts");
  const contenders = resolve(import.meta.dir, "../packages/bench/src/contenders.ts");
  await Bun.write(
    same,
    `import { lanes } from ${JSON.stringify(contenders)};
    for (const lane of lanes) lane.title = "Polling";`,
  );
  const env = { BUN_OPTIONS: `--preload ${same}` };
  expect(await output("bench", ["--only", "sse,long-poll"], env)).toEqual({
    code: 2,
    stdout: [],
    stderr: ["tidings: sse: Polling is another one's title; give it one of its own"],
  });
});

test("a peer that cannot run here is left out, with the cure", async () => {
  const only = ["--peers", "--only", "sse/node-http"];
  const { code, stderr } = await output("bench", only, { PATH: "" });
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: [
      "sse/node-http is not installed: it needs Node.js first",
      "tidings: nothing is left to measure",
    ],
  });
});

test.each([
  ["--only pigeon", "--only: there is no pigeon"],
  ["--scenario calm", "--scenario: there is no calm"],
  ["--rounds 0", "--rounds must be a whole number from 1 to 100"],
  ["--payload 3", "--payload must be a whole number from 10 to 60000"],
  ["--subscribers many", "--subscribers must be a whole number"],
  ["--quick --full", "--quick and --full exclude each other"],
  ["--json --markdown", "--json and --markdown exclude each other"],
  ["--only sse --out=", "--out: name a folder, or leave it out"],
  ["--out package.json", "--out: choose a folder that can be written to, not "],
  ["--scenario idle --rate 5", "--rate changes nothing in idle; leave it out"],
  ["--scenario idle --payload 500", "--payload changes nothing in idle; leave it out"],
  ["compare a.json b.json --rounds 5", "--rounds has no meaning for `bench compare`; leave it out"],
  ["list --peers", "--peers has no meaning for `bench list`; leave it out"],
  ["report a.json --markdown", "--markdown has no meaning for `bench report`; leave it out"],
  ["--fast", "Unknown option '--fast'"],
  ["sse", "bench does not know sse"],
  ["list sse", "bench list has no use for sse; --help says more"],
  ["report", "bench report lacks FILE.json; --help says more"],
  ["report a.json b.json", "bench report has no use for b.json; --help says more"],
  ["compare", "bench compare lacks A.json and B.json; --help says more"],
  ["compare one.json", "bench compare lacks B.json; --help says more"],
  ["compare no.json no.json", "no.json: "],
  ["report package.json", "package.json: "],
])("wrong arguments are one line: bench %s", async (line, complaint) => {
  const { code, stdout, stderr } = await output("bench", line.split(" "));
  expect({ code, stdout }).toEqual({ code: 2, stdout: [] });
  expect(stderr).toHaveLength(1);
  expect(stderr[0]).toStartWith(`tidings: ${complaint}`);
});

test.skipIf(!existsSync("/dev/full"))(
  "what cannot be printed is an error, where a disk can be full",
  async () => {
    const bench = Bun.spawn([process.execPath, "scripts/bench.ts", "list"], {
      stdio: ["ignore", Bun.file("/dev/full"), "pipe"],
    });
    expect(await bench.stderr.text()).toMatch(/^tidings: stdout: ENOSPC.*\n$/);
    expect(await bench.exited).toBe(1);
  },
);

test("who reads no further than the head of it is told of no error", async () => {
  const bench = Bun.spawn([process.execPath, "scripts/bench.ts", "list"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  await bench.stdout.cancel();
  expect(await bench.stderr.text()).toBe("");
  expect(await bench.exited).toBe(0);
});
