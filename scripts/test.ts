// Checks everything: `bun run test [what to give to bun test …]`. The type check and the format
// check count as one test each. Where `CI` is true, what is skipped or missing is a failure.
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setup } from "./setup.ts";

const root = resolve(import.meta.dir, "..");
const isCI = process.env.CI === "true";
const count = { passed: 0, failed: 0, skipped: 0 };

// This bun and no other: there need not be one on the PATH, as under npx.
const bun = (...args: string[]) =>
  Bun.spawn([process.execPath, ...args], { cwd: root, stdio: ["ignore", "inherit", "inherit"] })
    .exited;

const check = async (title: string, ...args: string[]) => {
  const passed = (await bun(...args)) === 0;
  console.log(`(${passed ? "pass" : "fail"}) ${title}`);
  count[passed ? "passed" : "failed"]++;
};

const missing = await setup();
for (const problem of missing) console.error(`tidings: ${problem}`);
if (isCI) count.failed += missing.length;

for (const project of ["tsconfig.json", "apps/playground/src/page/tsconfig.json"])
  if (existsSync(join(root, project)))
    await check(
      `types of ${project}`,
      "node_modules/typescript/bin/tsc",
      "--noEmit",
      "-p",
      project,
    );
await check("format", "fmt", "--check");

// A process for each core, and a world of its own for each file. The report has the numbers; a
// failure that it does not know, such as a file that cannot be loaded, has at least the exit code.
// Tests wait for events, so a slow machine takes its time; Bun's own limit of 5 s would be a guess.
const report = join(tmpdir(), `tidings-test-${process.pid}.xml`);
const asked = process.argv.slice(2);
const exitCode = await bun(
  ...["test", "--parallel", "--timeout=60000"],
  ...["--reporter=junit", `--reporter-outfile=${report}`, ...asked],
);
const xml = await Bun.file(report)
  .text()
  .catch(() => "");
await rm(report, { force: true });
const total = (name: string) =>
  Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
const failures = total("failures") || (exitCode === 0 && xml !== "" ? 0 : 1);
count.passed += total("tests") - total("failures") - total("skipped");
count.failed += failures;
count.skipped += total("skipped");

if (isCI && count.skipped > 0) console.error("tidings: with CI=true a skipped test is a failure");
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed > 0 || (isCI && count.skipped > 0) ? 1 : 0);
