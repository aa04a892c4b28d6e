import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { readme } from "./readme.ts";

const root = resolve(import.meta.dir, "..");

test("the README's generated parts are up to date", async () => {
  const { text, wanted } = await readme();
  expect(text).toBe(wanted);
});

test("every relative link of the root's documents leads somewhere", async () => {
  for (const name of ["README.md", "SPEC.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]) {
    const text = await Bun.file(`${root}/${name}`).text();
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
      ([, link]) => link,
    );
    const broken = links.filter((link) => !existsSync(`${root}/${link}`));
    expect({ name, broken }).toEqual({ name, broken: [] });
  }
});

test("every command that the README names exists", async () => {
  const text = await Bun.file(`${root}/README.md`).text();
  const { scripts } = await Bun.file(`${root}/package.json`).json();
  const named = [...text.matchAll(/bun run ([a-z-]+)/g)].map(([, name]) => name ?? "");
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});
