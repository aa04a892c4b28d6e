import { Glob } from "bun";
import { expect, test } from "bun:test";
import { resolve } from "node:path";

const root = resolve(import.meta.dir, "../../..");
const spec = await Bun.file(`${root}/SPEC.md`).text();

// One clause is one list item: `- **EVENT-1** The …`.
const clauses = [...spec.matchAll(/^- \*\*([A-Z]+(?:-[A-Z]+)*)-(\d+)\*\* /gm)].map(
  ([, group = "", number]) => ({ group, number: Number(number), id: `${group}-${number}` }),
);
const ids = new Set(clauses.map(({ id }) => id));
const groups = [...new Set(clauses.map(({ group }) => group))];
const citation = new RegExp(`(?<![A-Z-])(?:${groups.join("|")})-\\d+\\b`, "g");

/** Where the rules that only one technique has, or only the two polls, are kept. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  "SHORT-POLL": ["short-poll"],
  "LONG-POLL": ["long-poll"],
  POLL: ["short-poll", "long-poll", "shared"],
  SSE: ["sse"],
  WS: ["ws"],
  PROVIDER: ["webhook-provider"],
  CONSUMER: ["webhook-consumer"],
};

const read = async (...patterns: string[]) => {
  const files: { path: string; text: string }[] = [];
  for (const pattern of patterns)
    for await (const path of new Glob(pattern).scan({ cwd: root }))
      if (!path.includes("node_modules"))
        files.push({ path, text: await Bun.file(`${root}/${path}`).text() });
  return files;
};

const citedIn = (text: string) => (text.match(citation) ?? []).filter((id) => ids.has(id));

/** The clauses that a test's title begins with: `test("WS-4, WS-5: …`. */
const titled = (source: string) =>
  [...source.matchAll(/\(\s*["`]((?:, |[A-Z-]+-\d+)+): /g)].flatMap(([, list = ""]) =>
    citedIn(list),
  );

/** The clauses that the kit's own clauses name: `ids: ["FEED-1", "FEED-2"]`. */
const listed = (source: string) =>
  [...source.matchAll(/\bids: \[([^\]]*)\]/g)].flatMap(([, list = ""]) => citedIn(list));

/** The clauses that comments quote: `// One way out. [SSE-11]`, `[WS-6, WS-7]`. */
const quoted = (source: string) =>
  [...source.matchAll(/^ *(?:\/\/|\/?\*).*$/gm)].flatMap(([comment]) =>
    [...comment.matchAll(/\[([A-Z-]+-\d+(?:, [A-Z-]+-\d+)*)\]/g)].flatMap(([, list = ""]) =>
      citedIn(list),
    ),
  );

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
  const files = await read("*.md", "{packages,apps,scripts}/**/*.ts", "packages/*/*.md");
  for (const { path, text } of files)
    for (const [id] of text.matchAll(citation)) {
      if (path !== "SPEC.md") cited.add(id);
      if (!ids.has(id)) unknown.push(`${path}: ${id}`);
    }
  expect(cited.size).toBeGreaterThan(50);
  expect(unknown).toEqual([]);
});

test("each clause is named by the title of a test, or by a clause of the kit", async () => {
  // What this page gives its own checks to find is the title of no test.
  const tests = (await read("{packages,apps,scripts}/**/*.test.ts")).filter(
    ({ path }) => !path.endsWith("spec.test.ts"),
  );
  const kit = await read("packages/conformance/src/clauses/*.ts");
  const named = new Set([
    ...tests.flatMap(({ text }) => titled(text)),
    ...kit.flatMap(({ text }) => listed(text)),
  ]);
  const orphans = clauses.filter(({ id }) => !named.has(id));
  expect(orphans.map(({ id }) => id)).toEqual([]);
});

test.each(Object.entries(HOMES))(
  "each clause of %s is quoted where it is kept, and nowhere else",
  async (group, homes) => {
    const sources = await read("packages/*/src/**/*.ts");
    const homeless: string[] = [];
    const found = new Set<string>();
    for (const { path, text } of sources)
      for (const id of quoted(text).filter((id) => id.replace(/-\d+$/, "") === group)) {
        found.add(id);
        if (!homes.some((home) => path.startsWith(`packages/${home}/`)))
          homeless.push(`${path}: ${id}`);
      }
    const own = clauses.filter((clause) => clause.group === group);
    expect(own.map(({ id }) => id).filter((id) => !found.has(id))).toEqual([]);
    expect(homeless).toEqual([]);
  },
);

test("the checks themselves find what they look for, and no more", () => {
  expect(titled('test("WS-4, WS-5: a", async () => {});')).toEqual(["WS-4", "WS-5"]);
  expect(titled('test.each(["/a"])(\n  "HEALTH-2: HEAD %s",')).toEqual(["HEALTH-2"]);
  expect(titled('// SSE-1: a\nconst a = "SSE-2: b";\ntest("as in SSE-3: c")')).toEqual([]);
  expect(listed('{\n    ids: ["FEED-1", "FEED-2"],\n    title: "GAP-1",')).toEqual([
    "FEED-1",
    "FEED-2",
  ]);
  expect(quoted("  // Why. [SSE-1]\n/** [WS-6, WS-7] */\n * [SSE-2] more.")).toEqual([
    "SSE-1",
    "WS-6",
    "WS-7",
    "SSE-2",
  ]);
  expect(quoted('const a = "[SSE-1]";\n// SSE-2 and [RFC 9110]')).toEqual([]);
});
