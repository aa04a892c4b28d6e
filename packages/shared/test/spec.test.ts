import { Glob } from "bun";
import { expect, test } from "bun:test";
import { resolve } from "node:path";

const root = resolve(import.meta.dir, "../../..");
const spec = await Bun.file(`${root}/SPEC.md`).text();

// One clause is one list item: `- **EVENT-1** The …`.
const clauses = [...spec.matchAll(/^- \*\*([A-Z]+(?:-[A-Z]+)*)-(\d+)\*\* /gm)].map(
  ([, group = "", number]) => ({ group, number: Number(number) }),
);
const ids = new Set(clauses.map(({ group, number }) => `${group}-${number}`));
const groups = [...new Set(clauses.map(({ group }) => group))];
const citation = new RegExp(`(?<![A-Z-])(?:${groups.join("|")})-\\d+\\b`, "g");

test("each group of clauses counts 1, 2, 3 …, so that no id is used twice", () => {
  expect(groups.length).toBeGreaterThan(20);
  for (const group of groups) {
    const numbers = clauses.filter((clause) => clause.group === group).map(({ number }) => number);
    expect({ group, numbers }).toEqual({ group, numbers: numbers.map((_, n) => n + 1) });
  }
});

test("each clause that a page, a comment or a test names is there", async () => {
  const cited = new Set<string>();
  const unknown: string[] = [];
  for (const pattern of ["*.md", "{packages,apps,scripts}/**/*.ts", "packages/*/*.md"])
    for await (const path of new Glob(pattern).scan({ cwd: root })) {
      if (path.includes("node_modules")) continue;
      const text = await Bun.file(`${root}/${path}`).text();
      for (const [id] of text.matchAll(citation)) {
        if (path !== "SPEC.md") cited.add(id);
        if (!ids.has(id)) unknown.push(`${path}: ${id}`);
      }
    }
  expect(cited.size).toBeGreaterThan(50);
  expect(unknown).toEqual([]);
});
