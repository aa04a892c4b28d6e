// `bun run bench`: all techniques on the same work. It needs no arguments, measures for less than
// three minutes, and ends with a table, a report to look at, and the raw figures.
import {
  compare,
  renderComparison,
  renderMarkdown,
  renderReport,
  renderTable,
  validateResult,
  type Result,
} from "@tidings/bench";
import {
  baselines,
  bench,
  estimateMs,
  lanes,
  maxDescriptors,
  MIN_PAYLOAD_BYTES,
  peers,
  peerVersions,
  scenarios,
  settingsOf,
  whyBlind,
  type Contender,
  type Mode,
} from "@tidings/bench/engine";
import { access, constants, mkdir } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fail, failToRead, numberOption, onEnd, readArgs } from "./cli.ts";
import { duration, say, showProgress } from "./progress.ts";

const usage = `usage: bun run bench [options]              measures, in under three minutes
       bun run bench list                   what is measured, and against whom
       bun run bench compare A.json B.json  what is different, and what is noise
       bun run bench report FILE.json       makes the report of a result again
  --quick            fan-out only, in half a minute
  --full             every scenario, and longer: 40 minutes
  --only a,b         only these lanes or contenders, such as sse,ws
  --peers            with nchan, ws, Socket.IO and more
  --scenario NAME    ${scenarios.map(({ name }) => name).join(", ")};
                     default: all; without options those for which
                     three minutes have room
  --rounds N         1 to 100; default 5, and up to 8 more of fan-out;
                     with --quick 2, with --full 5
  --subscribers N    how many there are; default: the scenario's own number
  --rate N           events in a second; default: the scenario's own rate
  --payload N        bytes of data in each event; default 128
  --json             prints the result as JSON instead of the table
  --markdown         prints the table in Markdown
  --out DIR          where report and JSON go; default .tidings/bench,
                     for \`bench report\` the folder of FILE.json`;

const { values, positionals } = readArgs(usage, {
  quick: { type: "boolean", default: false },
  full: { type: "boolean", default: false },
  only: { type: "string" },
  peers: { type: "boolean", default: false },
  scenario: { type: "string" },
  rounds: { type: "string" },
  subscribers: { type: "string" },
  rate: { type: "string" },
  payload: { type: "string" },
  json: { type: "boolean", default: false },
  markdown: { type: "boolean", default: false },
  out: { type: "string" },
});

// Files that a process has open beside its subscribers' sockets.
const SPARE = 200;

const all: readonly Contender[] = [...lanes, ...baselines, ...peers()];
const [order, ...files] = positionals;

const load = async (path: string, exitCode?: number): Promise<Result> => {
  try {
    return validateResult(await Bun.file(path).json());
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    return fail(`${path}: ${why}`, exitCode);
  }
};

const number = (name: "rounds" | "subscribers" | "rate" | "payload", min: number, max: number) => {
  const text = values[name];
  return text === undefined ? undefined : numberOption(`--${name}`, text, { min, max });
};

const chosenContenders = (): readonly Contender[] => {
  const names = values.only?.split(",");
  const unknown = names?.find((name) => !all.some((c) => c.lane === name || c.name === name));
  if (unknown !== undefined)
    fail(`--only: there is no ${unknown}; \`bun run bench list\` shows what there is`);
  const wanted = all.filter(
    ({ lane, name, kind }) =>
      names?.includes(name) ||
      ((kind !== "peer" || values.peers) && (names?.includes(lane) ?? true)),
  );
  for (const { name, missing } of wanted) if (missing) say(`${name} is ${missing}`);
  const there = wanted.filter(({ missing }) => missing === undefined);
  // No result may have two of one title: nobody could tell their figures apart.
  for (const [title, [, twin]] of Map.groupBy(there, (one) => one.title))
    if (twin) fail(`${twin.name}: ${title} is another one's title; give it one of its own`);
  return there.length > 0 ? there : fail("nothing is left to measure");
};

const chosenScenarios = () => {
  const { scenario } = values;
  if (scenario === undefined) return values.quick ? scenarios.slice(0, 1) : scenarios;
  const found = scenarios.filter(({ name }) => name === scenario);
  return found.length > 0 ? found : failToRead(`--scenario: there is no ${scenario}`);
};

// Unlike console.log, it does not pass over a full disk. But `| head` may stop reading.
process.stdout.on("error", () => {});
const print = (text: string): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(`${text}\n`, (error) =>
      error && !("code" in error && error.code === "EPIPE")
        ? fail(`stdout: ${error.message}`, 1)
        : resolve(),
    );
  });

/** The folder of what is written: made, and tried, before there is anything to lose. */
const folderFor = async (standard: string): Promise<string> => {
  if (values.out === "") fail("--out: name a folder, or leave it out");
  const folder = resolve(values.out ?? standard);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return folder;
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    return fail(`--out: choose a folder that can be written to, not ${folder} (${why})`);
  }
};

const write = async (path: string, text: string): Promise<string> => {
  await Bun.write(path, text).catch((error) => fail(`${path}: ${error.message}`, 1));
  return relative(process.cwd(), path);
};

const writeReport = (result: Result, folder: string, name: string): Promise<string> =>
  write(join(folder, `${name}.html`), renderReport(result));

const shownAudits = (audits: Result["audit"]): string =>
  [
    "Where each event comes alone, the load generator can take in a second, about:",
    ...audits.map(({ lane, alonePerSecond, cpuUsPerDelivery, invalid }) => {
      const deliveries = Math.round(alonePerSecond).toLocaleString("en").padStart(9);
      const doubt = invalid === undefined ? "" : ` (${invalid})`;
      return `  ${lane.padEnd(12)} ${deliveries} deliveries at ${cpuUsPerDelivery.toFixed(1)} µs of CPU${doubt}`;
    }),
  ].join("\n");

/** All that was asked for, but where it is written: that is nobody's business. */
const flagsAsked = (): readonly string[] =>
  Object.entries(values).flatMap(([name, value]) =>
    name === "out" || value === undefined || value === false
      ? []
      : [`--${name}`, ...(value === true ? [] : [value])],
  );

const measure = async () => {
  if (values.quick && values.full) fail("--quick and --full exclude each other; choose one");
  if (values.json && values.markdown) fail("--json and --markdown exclude each other; choose one");
  const mode: Mode = values.quick ? "quick" : values.full ? "full" : "default";
  const standard = settingsOf(mode);
  const rounds = number("rounds", 1, 100);
  const settings = {
    ...standard,
    ...(rounds !== undefined && { rounds, moreOfFirst: 0 }),
    // Who asks for more, or for something of it, has time for all of that.
    isShort: ![values.full, values.peers, values.only, values.scenario, rounds].some(Boolean),
    subscribers: number("subscribers", 1, 100_000),
    rate: number("rate", 1, 100_000),
    payloadBytes: number("payload", MIN_PAYLOAD_BYTES, 60_000) ?? standard.payloadBytes,
  };
  const selection = { scenarios: chosenScenarios(), contenders: chosenContenders() };
  for (const name of ["rate", "payload"] as const)
    if (
      values[name] !== undefined &&
      selection.scenarios.every((one) => one.ignores?.includes(name))
    )
      fail(`--${name} changes nothing in ${values.scenario}; leave it out`);
  const descriptors = maxDescriptors();
  if (
    settings.subscribers !== undefined &&
    settings.subscribers + SPARE > (descriptors || Infinity)
  )
    fail(`--subscribers: ${descriptors} files may be open here; raise it with \`ulimit -n\``);
  const folder = await folderFor(".tidings/bench");
  say(`This takes about ${duration(estimateMs(selection, settings))}.`);
  const long = scenarios.filter(({ isLong }) => isLong).map(({ name }) => name);
  if (settings.isShort && !values.quick)
    say(
      `There is no time for ${long.join(", ")}: --scenario ${long[0]} plays it, --full plays all.`,
    );
  const blind = whyBlind();
  if (blind !== undefined) say(`${blind}: such figures are left out.`);
  const progress = showProgress();
  onEnd(() => {
    progress.end();
    fail("stopped before the end", 130);
  });
  const measured = await bench({
    ...selection,
    settings,
    flags: flagsAsked(),
    versions: selection.contenders.some(({ kind }) => kind === "peer") ? peerVersions() : {},
    onProgress: progress.show,
    onAudit: (audits) => audits.length > 0 && progress.say(shownAudits(audits)),
  })
    .finally(progress.end)
    .catch((error) => fail(error, 1));
  const late = selection.scenarios
    .map(({ name }) => measured.runs.filter(({ scenario }) => scenario === name))
    .filter(
      (runs) => runs.length > 0 && Math.max(...runs.map(({ round }) => round)) < settings.rounds,
    );
  if (late.length > 0)
    say(`There was no time for ${settings.rounds} rounds of all: what ran took longer than usual.`);
  // First of all it is kept: whatever is wrong with it, it took its time.
  const name = `bench-${measured.startedAt.replaceAll(/[:.]/g, "-")}`;
  const json = await write(join(folder, `${name}.json`), JSON.stringify(measured));
  const result = await load(json, 1);
  say(`figures ${json}`);
  await print(
    values.json
      ? JSON.stringify(result)
      : values.markdown
        ? renderMarkdown(result)
        : renderTable(result),
  );
  say(`\nreport  ${await writeReport(result, folder, name)}`);
  if (!result.runs.some(({ outcome }) => outcome.kind === "measured"))
    fail("nothing could be measured; each run says why", 1);
};

const list = (): Promise<void> =>
  print(
    [
      "Scenarios",
      ...scenarios.map(({ name, question }) => `  ${name.padEnd(20)} ${question}`),
      "",
      "Contenders",
      ...all.map(
        ({ name, title, kind, missing }) =>
          `  ${name.padEnd(20)} ${title} (${kind})${missing ? `, ${missing}` : ""}`,
      ),
    ].join("\n"),
  );

const compareFiles = async (before = "", after = "") => {
  const results = [await load(before), await load(after)] as const;
  try {
    await print(renderComparison(compare(...results)));
  } catch (error) {
    fail(error);
  }
};

const reportOn = async (json = "") => {
  const result = await load(json);
  const folder = await folderFor(dirname(json));
  await print(await writeReport(result, folder, basename(json, ".json")));
};

interface Order {
  /** The one option, of all that a measurement can be told, that it heeds as well. */
  readonly heeds?: string;
  readonly takes: readonly string[];
  readonly run: (...files: string[]) => Promise<void>;
}

const orders = new Map<string, Order>([
  ["list", { takes: [], run: list }],
  ["compare", { takes: ["A.json", "B.json"], run: compareFiles }],
  ["report", { takes: ["FILE.json"], heeds: "out", run: reportOn }],
]);

if (order === undefined) await measure();
else {
  const { heeds, takes, run } = orders.get(order) ?? failToRead(`bench does not know ${order}`);
  for (const [name, value] of Object.entries(values))
    if (value && heeds !== name)
      fail(`--${name} has no meaning for \`bench ${order}\`; leave it out`);
  const [missing, more] = [takes.slice(files.length), files.slice(takes.length)];
  if (missing.length > 0) failToRead(`bench ${order} lacks ${missing.join(" and ")}`);
  if (more.length > 0) failToRead(`bench ${order} has no use for ${more.join(" ")}`);
  await run(...files);
}
