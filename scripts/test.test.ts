import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

// A small project with this test command, so that it can be seen to fail.
const root = resolve(import.meta.dir, "..");
let project: string;
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "tidings-test-"));
  await write("package.json", `{\n  "type": "module"\n}\n`);
  await mkdir(join(project, "scripts"));
  for (const path of ["tsconfig.json", "bunfig.toml", "scripts/test.ts", "scripts/setup.ts"])
    await copyFile(join(root, path), join(project, path));
  await symlink(join(root, "node_modules"), join(project, "node_modules"));
});
afterAll(() => rm(project, { recursive: true }));

const write = (path: string, text: string) => Bun.write(join(project, path), text);

/** Runs the project's tests with one test file, and returns the last line and the exit code. */
const run = async (file: string, { CI = "", args = [] as readonly string[] } = {}) => {
  await write("one.test.ts", file);
  const child = Bun.spawn([process.execPath, "scripts/test.ts", ...args], {
    cwd: project,
    env: { ...process.env, CI },
    stdout: "pipe",
    stderr: "ignore",
  });
  const lines = (await child.stdout.text()).trimEnd().split("\n");
  return { last: lines.at(-1), code: await child.exited };
};

const header = `import { expect, test } from "bun:test";\n\n`;
const pass = `test("passes", () => expect(1).toBe(1));\n`;
const skip = `test.skip("is skipped", () => {});\n`;

test("sums up what ran; the two checks count as a test each", async () => {
  expect(await run(header + pass + skip)).toEqual({
    last: "3 passed, 0 failed, 1 skipped",
    code: 0,
  });
});

test("with CI=true a skip fails", async () => {
  expect(await run(header + pass + skip, { CI: "true" })).toMatchObject({ code: 1 });
  expect(await run(header + pass, { CI: "true" })).toMatchObject({ code: 0 });
});

test.each([
  ["a failing test", `test("fails", () => expect(1).toBe(2));\n`, "3 passed, 1 failed, 0 skipped"],
  ["a type error", `const one: number = "1";\nexpect(one);\n`, "2 passed, 1 failed, 0 skipped"],
  ["an unformatted file", `expect (1);\n`, "2 passed, 1 failed, 0 skipped"],
  ["a file that cannot be loaded", `throw new Error("at load");\n`, "2 passed, 1 failed"],
  ["a crash", `test("dies", () => void process.kill(process.pid, 9));\n`, "1 failed"],
  ["a test that exits", `test("exits", () => process.exit(0));\n`, "1 failed"],
])("%s fails", async (_, text, last) => {
  const outcome = await run(header + pass + text);
  expect(outcome).toEqual({ last: expect.stringContaining(last), code: 1 });
});

test("a filter is for bun test; one that finds nothing fails", async () => {
  const failing = header + pass + `test("fails", () => expect(1).toBe(2));\n`;
  expect(await run(failing, { args: ["-t", "passes"] })).toMatchObject({ code: 0 });
  expect(await run(header + pass, { args: ["no-such-file"] })).toEqual({
    last: "2 passed, 1 failed, 0 skipped",
    code: 1,
  });
});
