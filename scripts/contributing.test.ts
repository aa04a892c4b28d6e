import { expect, test } from "bun:test";
import { resolve } from "node:path";

const root = resolve(import.meta.dir, "..");
const manifest = await Bun.file(`${root}/package.json`).json();
const guide = await Bun.file(`${root}/CONTRIBUTING.md`).text();

test.each(Object.keys(manifest.workspaces.catalog))("%s has its reason", (name) => {
  expect(guide).toMatch(new RegExp(`^\\| \`${name}\` +\\| .+ \\|$`, "m"));
});

// npm's own hooks are no commands.
const commands = Object.keys(manifest.scripts).filter((name) => !name.startsWith("pre"));
test.each(commands)("the command %s is explained", (name) => {
  expect(guide).toMatch(new RegExp(`^\\| \`bun (run )?${name}\\b`, "m"));
});
