// Writes the parts of the READMEs that machines know best: `bun scripts/readme.ts` (`--check`: only
// says whether they are up to date). Each part stands between two comments that name it.
import { Glob } from "bun";
import { dirname, resolve } from "node:path";
import { renderMarkdown, renderMeasured, validateResult } from "@tidings/bench";
import { cell, laneName, lanesOf, LEGEND, notesOf } from "@tidings/conformance";
import { fail } from "./cli.ts";
import { keptMatrix } from "./faults.ts";
import { optionsOf, type Option } from "./options.ts";
import { techniques } from "./techniques.ts";
import { record } from "./transcripts.ts";
import { story } from "./webhook/story.ts";

const root = resolve(import.meta.dir, "..");

/** The documents with generated parts: the root's README and those of the packages. */
export const documents: readonly string[] = [
  "README.md",
  ...[...new Glob("packages/*/README.md").scanSync(root)].sort(),
];

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

const optionTable = (options: readonly Option[]): string =>
  [
    "| option | default | unit | effect |",
    "| --- | --- | --- | --- |",
    ...options.map(({ name, standard, unit, effect }) => {
      const cells = [`\`${name}\``, standard || "–", unit || "–", effect];
      return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    }),
  ].join("\n");

/** The options of both sides of a technique: its own, then those that all techniques have. */
const limits = async (folder: string): Promise<string> => {
  const text: string[] = [];
  for (const [side, common] of [
    ["server", "ServerOptions"],
    ["client", "SubscribeOptions"],
  ] as const) {
    const file = `${folder}/src/${side}.ts`;
    const source = await Bun.file(`${root}/packages/${file}`).text();
    const name = source.includes("interface Options ") ? "Options" : common;
    const { own, common: inherited } = await optionsOf(name, file);
    text.push(`The ${side}'s options:`, optionTable([...own, ...inherited]));
  }
  return text.join("\n\n");
};

/** What passed between a technique's own client and server. */
const wire = async (folder: string) => `\`\`\`text\n${await record(folder)}\n\`\`\``;

/** A payment that survives a dead receiver. */
const run = async () => `\`\`\`console\n${await story()}\n\`\`\``;

const window = async () => optionTable((await optionsOf("FeedOptions", "shared/src/feed.ts")).own);

/** The fault matrix, as `bun run verify --faults --write` has kept it. */
const faultTable = async (): Promise<string> => {
  const matrix = await keptMatrix();
  const lanes = lanesOf(matrix);
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    `${LEGEND} Seed ${matrix.seed}, Bun ${matrix.bun}.`,
    "",
    row(["fault", ...lanes]),
    row(["---", ...lanes.map(() => "---")]),
    ...Object.entries(matrix.faults).map(([title, outcomes]) =>
      row([title, ...lanes.map((lane) => cell(outcomes[lane]))]),
    ),
    "",
    "–: does not apply.",
    "",
    ...notesOf(matrix).map((note) => `- ${note.replace(/^– /, "")}`),
  ].join("\n");
};

/** The last result that was committed, and where it lies: their names begin with the day. */
export const lastResult = async () => {
  const [path] = [...new Glob("bench/results/*.json").scanSync(root)].sort().reverse();
  if (path === undefined) throw new Error("bench/results: there is no result to show.");
  return { path, result: validateResult(await Bun.file(`${root}/${path}`).json()) };
};

const measured = async (folder: string) => {
  const { path, result } = await lastResult();
  const technique = techniques.find(({ name }) => name === folder);
  const shown = technique
    ? renderMeasured(result, laneName(technique))
    : renderMarkdown(result, { brief: true });
  return `${shown} [The raw result](${technique ? "../../" : ""}${path}).`;
};

/** What makes each part, given the name of the folder that its README lies in. */
const parts: Record<string, (folder: string) => string | Promise<string>> = {
  techniques: techniqueTable,
  limits,
  window,
  wire,
  faults: faultTable,
  measured,
  run,
};

/** A document's text with every generated part made anew. */
export const regenerate = async (path: string, text: string): Promise<string> => {
  let whole = text;
  for (const [, name = ""] of text.matchAll(/^<!-- (\w+): generated -->$/gm)) {
    const make = parts[name];
    if (!make) throw new Error(`${path}: nothing is known that makes a part named ${name}.`);
    const part = new RegExp(`(<!-- ${name}: generated -->)[^]*?(<!-- /${name} -->)`);
    if (!part.test(whole)) throw new Error(`${path}: the part ${name} has no end.`);
    const made = await make(dirname(path).replace("packages/", ""));
    whole = whole.replace(part, (_, start, end) => `${start}\n\n${made}\n\n${end}`);
  }
  return whole;
};

/** As the formatter would leave it, so that it has nothing to say about what we write. */
const format = async (text: string): Promise<string> => {
  const formatter = Bun.spawn([process.execPath, "fmt", "--stdin-filepath", "README.md"], {
    cwd: root,
    stdin: new Blob([text]),
  });
  const formatted = await formatter.stdout.text();
  return (await formatter.exited) === 0 ? formatted : fail("bun fmt failed on a README.md");
};

/** A document as it is, and as it should be. */
export const readme = async (path: string) => {
  const text = await Bun.file(`${root}/${path}`).text();
  return { path, text, wanted: await format(await regenerate(path, text)) };
};

if (import.meta.main) {
  const check = process.argv.includes("--check");
  for (const { path, text, wanted } of await Promise.all(documents.map(readme))) {
    if (!check) await Bun.write(`${root}/${path}`, wanted);
    else if (text !== wanted) fail(`${path} is not up to date; run \`bun scripts/readme.ts\``);
  }
}
