// Scaffolds a technique that already starts, can be followed and is verified: `bun run new <name>`.
// What it copies is scripts/template: a working technique, type-checked and formatted in its place.
import { Glob } from "bun";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fail, failToRead, readArgs } from "./cli.ts";
import { folderOf } from "./techniques.ts";

const usage = "usage: bun run new <name>     such as: bun run new server-push";

const [name, ...rest] = readArgs(usage, {}).positionals;
if (name === undefined || rest.length > 0) failToRead("new takes one name");
if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.length > 40)
  fail(
    `a name is lower-case words joined by hyphens, at most 40 characters, not ${JSON.stringify(name)}`,
  );
const folder = folderOf(name);
if (existsSync(folder)) fail(`packages/${name} exists; choose another name, or remove it first`);

const title = name.charAt(0).toUpperCase() + name.slice(1).replaceAll("-", " ");
const rename = (text: string) =>
  text.replaceAll("new-technique", name).replaceAll("New technique", title);

const root = resolve(import.meta.dir, "..");
const template = resolve(import.meta.dir, "template");
for (const path of new Glob("**/*").scanSync(template)) {
  const text = await Bun.file(`${template}/${path}`).text();
  // In the template the tests have names that `bun test` does not find.
  const target = rename(path).replace(/^test\/(.*)\.ts$/, "test/$1.test.ts");
  await Bun.write(`${folder}/${target}`, rename(text));
}

// A long name may want a line of its own, the README lists all techniques, and the lock file has to
// know the new package, or the next `bun start` refuses to install.
for (const args of [["fmt", folder], ["install"], ["scripts/readme.ts"]]) {
  const child = Bun.spawnSync([process.execPath, ...args], { cwd: root, stdout: "ignore" });
  if (!child.success) fail(`bun ${args.join(" ")} failed: ${child.stderr}`);
}

console.log(`packages/${name} is a technique now: a simple poll, for you to replace.

  bun start ${name}         starts its server
  bun run tail ${name}      follows it
  bun run verify ${name}    holds it against SPEC.md
  bun run test ${name}      runs its tests

Begin with packages/${name}/src/server.ts; CONTRIBUTING.md says what comes next.`);
