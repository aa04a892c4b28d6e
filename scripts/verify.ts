// `bun run verify <technique or URL>`: the conformance kit against a technique of this repository,
// or against anybody's server that keeps SPEC.md. With `--faults`: the fault matrix.
import {
  clauses,
  laneName,
  launchedLane,
  strangersLane,
  verify,
  type Lane,
} from "@tidings/conformance";
import type { Technique } from "@tidings/shared";
import { fail, failToRead, numberOption, readArgs } from "./cli.ts";
import { playFaults } from "./faults.ts";
import { techniques } from "./techniques.ts";

// How long a stranger's server may take to say what it is, in milliseconds.
const ANSWER_MS = 5_000;

const names = techniques.map(({ name }) => name);
const isUrl = (name: string) => /^https?:/.test(name);
const usage = `usage: bun run verify <technique or URL>… [--technique NAME] [--only TEXT]
       bun run verify --faults [technique]… [--seed N] [--write]
  techniques: ${names.join(", ")}
              none: all of them; webhook: both halves of the pair
  --technique NAME   whose client speaks to a URL; default: what /status says
  --only TEXT        only clauses whose id or title contains it
  --faults           plays one script of publishes and faults to each technique,
                     and prints the fault matrix: what was lost, doubled or out
                     of order, and the time until whole
  --seed N           what the script's chance begins with; default 1
  --write            keeps the matrix for the README; takes all techniques`;

const { values, positionals } = readArgs(usage, {
  technique: { type: "string" },
  only: { type: "string", default: "" },
  faults: { type: "boolean", default: false },
  seed: { type: "string" },
  write: { type: "boolean", default: false },
});
if (values.technique !== undefined && !positionals.some(isUrl))
  failToRead("--technique says whose client speaks to a URL; name the URL as well");

if (!values.faults && (values.seed !== undefined || values.write))
  failToRead("--seed and --write belong to --faults; add it, or leave them out");
if (values.faults && (values.only !== "" || positionals.some(isUrl)))
  failToRead("--faults starts and kills servers of its own: it takes no URL and no --only");
if (values.write && positionals.length > 0)
  failToRead("--write keeps the whole matrix: leave the techniques out");
const seed = numberOption("--seed", values.seed ?? "1", { min: 0, max: 2 ** 31 - 1 });

const { only } = values;
if (!clauses.some(({ ids, title }) => [...ids, title].some((text) => text.includes(only))))
  fail(`no clause contains ${only}`);

const named = (name: string): readonly Technique[] => {
  const found = techniques.filter((t) => t.name === name || (name === "webhook" && t.pair));
  return found.length > 0 ? found : failToRead(`unknown technique ${name}`);
};

const CURE = "name it with --technique";

const namedOne = (name: string): Technique => {
  const [technique, another] = named(name);
  return technique && !another
    ? technique
    : failToRead(
        `${name} is ${named(name)
          .map((t) => t.name)
          .join(" and ")}; a URL is one of them`,
      );
};

const strangers = async (url: string): Promise<Lane> => {
  let technique = values.technique === undefined ? undefined : namedOne(values.technique);
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const status: unknown = await (await fetch(new URL("status", `${url}/`), { signal })).json();
    const said = typeof status === "object" && status && "technique" in status && status.technique;
    technique ??= namedOne(
      typeof said === "string" ? said : fail(`${url} does not say its technique; ${CURE}`),
    );
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ECONNREFUSED")
      fail(`nobody answers at ${url}; start the server, or mend the URL`);
    technique ??= fail(`${url} does not answer GET /status; ${CURE}`);
  }
  return strangersLane(technique, url.replace(/\/$/, ""));
};

const lanes: Lane[] = [];
for (const name of positionals.length > 0 ? positionals : names) {
  if (isUrl(name)) lanes.push(await strangers(name));
  else for (const technique of named(name)) lanes.push(await launchedLane(technique));
}

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
if (values.faults) {
  // The pair is one lane.
  const whole = lanes.filter(
    (lane, i) =>
      lanes.findIndex((other) => laneName(other.technique) === laneName(lane.technique)) === i,
  );
  const wrong = await playFaults(whole, { seed, write: values.write, colour });
  for (const line of wrong) console.error(`tidings: ${line}`);
  process.exit(wrong.length > 0 ? 1 : 0);
}
const count = { passed: 0, failed: 0, skipped: 0 };
for (const lane of lanes) {
  console.log(`\n${lane.technique.title} (${lane.technique.name})`);
  for await (const result of verify(lane, { only })) {
    const { clause, outcome } = result;
    count[outcome]++;
    const what = `${clause.title} ${paint(2, clause.ids.join(" "))}`;
    if (outcome === "passed") console.log(`  ${paint(32, "passed")}   ${what}`);
    if (outcome === "skipped")
      console.log(`  ${paint(33, "skipped")}  ${what}\n${indent(result.reason)}`);
    if (outcome === "failed")
      console.log(`  ${paint(31, "FAILED")}   ${what}\n${indent(result.error.message)}`);
  }
}
console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed > 0 ? 1 : 0);

function indent(text: string): string {
  return text.replace(/^/gm, "           ");
}
