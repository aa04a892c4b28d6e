// What lets two techniques be read side by side: the same eight steps in the same order, and types
// that are proved rather than claimed.
import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { basename, dirname, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");

const STEPS = {
  "server.ts":
    "accept · authorize · resume · hand over · deliver · heartbeat · slow reader · close",
  "client.ts":
    "connect · authorize · resume · receive · advance · detect silence · reconnect · close",
};

const techniques = [...new Glob("*/technique.ts").scanSync(`${root}/packages`)].map(dirname);

// The template is no technique yet, but the next one begins as its copy.
const folders = [...techniques.map((name) => `packages/${name}`), "scripts/template"];

/** The names of a file's steps, in the order in which they open: `// 1. accept`, a line each. */
const stepsOf = (source: string): string =>
  [...source.matchAll(/^ *\/\/ (\d)\. ([a-z ]+?)(?::.*)?$/gm)]
    .map(([, number, name], index) => (Number(number) === index + 1 ? name : `${number}. ${name}`))
    .join(" · ");

// Comments, texts and regular expressions: what is no code.
const NO_CODE = new RegExp(
  [
    /\/\/.*/,
    /\/\*[^]*?\*\//,
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/,
    /(?<=[(,=:[!&|?{};]\s*)\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/*\\\n[])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n[])*\/[a-z]*/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);

/** Where a file claims a type instead of proving it: casts, `any`, non-null assertions. */
const claimsOf = (source: string): string[] =>
  source
    .replace(NO_CODE, (text) => text.replace(/[^\n]/g, " "))
    .replace(/^(?:import|export)(?: type)? [{*][^;]*;/gm, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /\bas (?!const\b)|\bany\b|[\w)\]]!(?!=)/.test(line));

const importsOf = (source: string): string[] =>
  [...source.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name]) => name ?? "");

describe.each(folders)("%s", (folder) => {
  const read = (path: string) => Bun.file(`${root}/${folder}/${path}`).text();

  describe.each(Object.entries(STEPS))("%s", (file, steps) => {
    test("takes the eight steps in their order", async () => {
      expect(stepsOf(await read(`src/${file}`))).toBe(steps);
    });

    test("has no cast, no any and no non-null assertion", async () => {
      expect(claimsOf(await read(`src/${file}`))).toEqual([]);
    });
  });

  test("imports no other technique", async () => {
    const sources = [...new Glob("src/**/*.ts").scanSync(`${root}/${folder}`)];
    const imported = (await Promise.all(sources.map(read))).flatMap(importsOf);
    expect(imported).not.toBeEmpty();
    const others = techniques.filter((name) => name !== basename(folder));
    expect(
      imported.filter((name) => others.some((other) => name.split("/").includes(other))),
    ).toEqual([]);
  });
});

describe("the checks themselves", () => {
  test.each([
    ["// 1. accept\n  // 2. authorize: why\n", "accept · authorize"],
    ["// 2. authorize\n// 1. accept\n", "2. authorize · 1. accept"],
    ["// 1. accept\n// 1. accept\n", "accept · 1. accept"],
    ["// 1. accept, and then\ncode(); // 2. authorize\n", ""],
  ])("reads the steps of %j", (source, expected) => {
    expect(stepsOf(source)).toBe(expected);
  });

  test.each([
    "const a = b as string;",
    "const a: any = 1;",
    "const a = <T,>(b: any[]) => b;",
    "a!.b();",
    "f(a[0]!);",
    "const a = f()!;",
    'const a = text.split("as") as never;',
    'const a = /[/"]/.exec(b)!;',
  ])("finds the claim in %p", (line) => {
    expect(claimsOf(line)).toEqual([line.replace(/"as"/, "    ").replace('/[/"]/', "      ")]);
  });

  test.each([
    "const a = [1] as const;",
    "// as any! comment",
    "/** as\n * any */",
    'const a = "as any!" !== b;',
    "if (!a || a !== b || !(c != d)) f(!e);",
    'import {\n  a as b,\n  c,\n} from "c";',
    "const a = `${b} as any`;",
  ])("finds none in %p", (source) => {
    expect(claimsOf(source)).toEqual([]);
  });
});
