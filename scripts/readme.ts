// Writes the parts of the README that machines know best: `bun scripts/readme.ts` (`--check`: only
// says whether they are up to date). Each part stands between two comments that name it.
import { resolve } from "node:path";
import { fail } from "./cli.ts";
import { techniques } from "./techniques.ts";

const path = resolve(import.meta.dir, "../README.md");

/** The techniques, in reading order: what each is, who speaks, where to look, what it costs. */
const techniqueTable = (): string => {
  const rows = techniques.map(({ name, title, idea, direction, costs }) => {
    const files = ["server", "client"]
      .map((file) => `[${file}](packages/${name}/src/${file}.ts)`)
      .join(" · ");
    return `| [${title}](packages/${name}/README.md) | ${idea} | ${direction} | ${files} | ${costs} |`;
  });
  return [
    "| technique | the idea | who speaks | source | what it costs you |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
};

const parts: Record<string, () => string> = { techniques: techniqueTable };

/** The text with every generated part made anew. */
export const regenerate = (text: string): string =>
  Object.entries(parts).reduce((whole, [name, make]) => {
    const part = new RegExp(`(<!-- ${name}: generated -->)[^]*?(<!-- /${name} -->)`);
    if (!part.test(whole)) throw new Error(`README.md has no part named ${name}.`);
    return whole.replace(part, (_, start, end) => `${start}\n\n${make()}\n\n${end}`);
  }, text);

/** As the formatter would leave it, so that it has nothing to say about what we write. */
const format = async (text: string): Promise<string> => {
  const formatter = Bun.spawn([process.execPath, "fmt", "--stdin-filepath", "README.md"], {
    cwd: resolve(import.meta.dir, ".."),
    stdin: new Blob([text]),
  });
  const formatted = await formatter.stdout.text();
  return (await formatter.exited) === 0 ? formatted : fail("bun fmt failed on README.md");
};

/** The README as it is, and as it should be. */
export const readme = async () => {
  const text = await Bun.file(path).text();
  return { text, wanted: await format(regenerate(text)) };
};

if (import.meta.main) {
  const { text, wanted } = await readme();
  if (process.argv.includes("--check")) {
    if (text !== wanted) fail("README.md is not up to date; run `bun scripts/readme.ts`");
  } else await Bun.write(path, wanted);
}
