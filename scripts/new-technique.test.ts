import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

// A copy of the house, with a technique more.
const root = resolve(import.meta.dir, "..");
const left = new Set(["node_modules", ".git", ".tidings"]);
let house: string;
beforeAll(async () => {
  house = await mkdtemp(join(tmpdir(), "tidings-new-"));
  await cp(root, house, { recursive: true, filter: (path) => !left.has(basename(path)) });
  const { code, stdout } = await bun("scripts/new-technique.ts", "carrier-pigeon");
  expect(code).toBe(0);
  expect(stdout).toStartWith("packages/carrier-pigeon is a technique now");
}, 60_000);
afterAll(() => rm(house, { recursive: true }));

const bun = async (...args: string[]) => {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: house,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, stdout, stderr };
};

test("a new technique has sound types, is formatted, and keeps the contract", async () => {
  // The types of the whole house, because a package's are those of its neighbours, too; but only
  // what the scaffold wrote is judged here.
  const types = await bun("node_modules/typescript/bin/tsc", "--noEmit");
  expect(types.stdout.split("\n").filter((line) => line.includes("carrier-pigeon"))).toEqual([]);
  expect(await bun("fmt", "--check", "packages/carrier-pigeon")).toMatchObject({ code: 0 });
  expect(await bun("install", "--frozen-lockfile")).toMatchObject({ code: 0 });
  expect(await bun("scripts/readme.ts", "--check")).toMatchObject({ code: 0 });
  const tests = await bun("test", "packages/carrier-pigeon");
  expect(tests.stderr).toContain(" 0 fail\n");
  expect(tests.code).toBe(0);
}, 120_000);

test("it is a technique like the others: the launcher starts it and its client follows it", async () => {
  const child = Bun.spawn([process.execPath, "scripts/serve.ts", "carrier-pigeon"], {
    cwd: house,
    stdout: "pipe",
  });
  const { value } = await child.stdout.getReader().read();
  const [, url] = /^ready (\S+)\n/.exec(new TextDecoder().decode(value)) ?? [];
  const body = JSON.stringify({ type: "greeting", data: "hello" });
  const headers = { "content-type": "application/json" };
  await fetch(`${url}/events`, { method: "POST", headers, body });

  const args = ["carrier-pigeon", "--url", `${url}`, "--after", "0-0", "--json"];
  const tail = Bun.spawn([process.execPath, "scripts/tail.ts", ...args], {
    cwd: house,
    stdout: "pipe",
    stderr: "ignore",
  });
  const line = await tail.stdout.getReader().read();
  expect(JSON.parse(new TextDecoder().decode(line.value))).toMatchObject({ data: "hello" });
  tail.kill("SIGINT");
  expect(await tail.exited).toBe(0);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

test("it is benched without an edit, through its own client", async () => {
  const few = ["--subscribers", "2", "--rate", "20", "--rounds", "1"];
  const work = ["--scenario", "fan-out", "--only", "carrier-pigeon", ...few, "--json"];
  const { code, stdout } = await bun("scripts/bench.ts", ...work);
  const { contenders, runs } = JSON.parse(stdout);
  expect(contenders).toMatchObject([{ name: "carrier-pigeon", kind: "tidings" }]);
  expect(contenders[0].deviations).toContain(
    "Driven through its own client, whose bytes cannot be counted.",
  );
  // A busy machine may make a run invalid, and all of them; nothing may be lost.
  const kinds: string[] = runs.map(({ outcome }: { outcome: { kind: string } }) => outcome.kind);
  for (const kind of kinds) expect(["measured", "invalid"]).toContain(kind);
  expect(code).toBe(kinds.includes("measured") ? 0 : 1);
}, 60_000);

test.each([
  [[], "new takes one name"],
  [["one", "two"], "new takes one name"],
  [["Pigeon"], 'a name is lower-case words joined by hyphens, at most 40 characters, not "Pigeon"'],
  [["../pigeon"], "a name is lower-case words joined by hyphens"],
  [["sse"], "packages/sse exists; choose another name, or remove it first"],
  [["shared"], "packages/shared exists; choose another name, or remove it first"],
])("wrong arguments: new %j", async (args, complaint) => {
  const { code, stdout, stderr } = await bun("scripts/new-technique.ts", ...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toStartWith(`tidings: ${complaint}`);
});
