import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { laneName } from "@tidings/conformance";
import { documents, lastResult, readme } from "./readme.ts";
import { techniques } from "./techniques.ts";
import { whyMissing } from "./setup.ts";
import { recorded } from "./transcripts.ts";

const root = resolve(import.meta.dir, "..");
const read = (path: string) => Bun.file(`${root}/${path}`).text();
const linksOf = (text: string) =>
  [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, link]) => link ?? "");

// The transcripts are sessions, played anew; a poll's takes some seconds.
const current = async (path: string) => {
  const { text, wanted } = await readme(path);
  expect(text).toBe(wanted);
};
test.concurrent.each(documents.filter((path) => path !== "README.md"))(
  "the generated parts of %s are up to date",
  current,
  60_000,
);
// It shows a retry, which takes its time, and curl.
test.skipIf(whyMissing("curl") !== undefined)(
  "the generated parts of README.md are up to date",
  () => current("README.md"),
  60_000,
);

test("the README lists the techniques", async () => {
  expect(await read("README.md")).toContain("<!-- techniques: generated -->");
});

test("every relative link of the documents leads somewhere", async () => {
  const others = ["SPEC.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
  for (const path of [...documents, ...others]) {
    const folder = dirname(`${root}/${path}`);
    const broken = linksOf(await read(path)).filter((link) => !existsSync(`${folder}/${link}`));
    expect({ path, broken }).toEqual({ path, broken: [] });
  }
});

test("every command that the README names exists", async () => {
  const text = await read("README.md");
  const { scripts } = await Bun.file(`${root}/package.json`).json();
  const named = [...text.matchAll(/bun run ([a-z-]+)/g)].map(([, name]) => name ?? "");
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

describe.each(techniques.map(({ name }) => name))("the README of %s", (name) => {
  const folder = `packages/${name}`;

  test("has the headings that all techniques have", async () => {
    const headings = (await read(`${folder}/README.md`)).match(/^## .*$/gm);
    expect(headings).toEqual([
      "## Idea",
      "## On the wire",
      "## When to use it",
      "## What goes wrong",
      "## Limits",
      "## Files",
    ]);
  });

  test("names every source file", async () => {
    const [, files = ""] = (await read(`${folder}/README.md`)).split("\n## Files\n");
    const sources = [...new Glob("src/**/*.ts").scanSync(`${root}/${folder}`)];
    const linked = linksOf(files);
    expect(["technique.ts", ...sources].filter((path) => !linked.includes(path))).toEqual([]);
  });
});

test.each(recorded)("the README of %s shows its session and its limits", async (name) => {
  const text = await read(`packages/${name}/README.md`);
  for (const part of ["wire", "limits"]) expect(text).toContain(`<!-- ${part}: generated -->`);
});

test("the README of every technique that was measured shows it", async () => {
  const { contenders } = (await lastResult()).result;
  const measured = techniques.filter((technique) =>
    contenders.some(({ name }) => name === laneName(technique)),
  );
  expect(measured.length).toBeGreaterThan(0);
  for (const { name } of measured)
    expect(await read(`packages/${name}/README.md`)).toContain("<!-- measured: generated -->");
});
