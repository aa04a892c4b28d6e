import { figures, LEAST_TO_WEIGH } from "../metrics.ts";
import type { Result } from "../result.ts";
import { CONFIDENCE, ENOUGH_ROUNDS } from "../stats/bootstrap.ts";
import { ownParamsText, type Cell } from "../stats/cells.ts";
import { HOW, type Change, type Comparison } from "../stats/compare.ts";
import type { Floor } from "../stats/noise.ts";
import { answerOf } from "./answer.ts";
import { summaryOf, type Entry, type Summary } from "./summary.ts";
import {
  conditionsOf,
  insteadOf,
  percent,
  showFigure,
  showIn,
  showInterval,
  times,
  whyNot,
  workText,
} from "./words.ts";

const WIDTH = 100;
const CELL = 9;

const wrap = (text: string): string =>
  Bun.wrapAnsi(text, WIDTH - 2, { trim: true }).replaceAll("\n", "\n  ");

const marks = { best: "*", tie: "=" } as const;

/** A figure with its mark, or the word that stands for it. */
export const textOf = ({ column, cell, estimate, place }: Entry): string => {
  if (cell?.problem) return insteadOf[cell.problem.kind];
  if (!estimate) return "–";
  return showIn(cell, column.figure, estimate.value) + (place ? marks[place] : "");
};

/** Such as `short-poll (pollMs 300, rate 2)`. */
const whoOf = (cell: Cell): string => {
  const params = ownParamsText(cell);
  return params ? `${cell.contender.name} (${params})` : cell.contender.name;
};

interface Lack {
  readonly what: string;
  readonly who: string;
  readonly why: string;
}

/** Why a cell has no figures. */
const lackOf = (cell: Cell): readonly Lack[] => {
  const { problem, scenario } = cell;
  if (!problem) return [];
  const what = `${insteadOf[problem.kind]} ${scenario.name}`;
  return [{ what, who: whoOf(cell), why: whyNot(problem) }];
};

/** Why a cell that has others has no memory. */
const unweighed = ({ column, cell, estimate }: Entry): readonly Lack[] => {
  const isLack = column.figure === "rssBytesPerSubscriber" && cell && !cell.problem && !estimate;
  if (!isLack) return [];
  const tooFew = (cell.params.subscribers ?? 0) < LEAST_TO_WEIGH;
  const why = tooFew
    ? `it is weighed from ${LEAST_TO_WEIGH} subscribers on`
    : "it did not grow in every round";
  return [{ what: `– ${column.scenario}, memory`, who: whoOf(cell), why }];
};

/** Each reason once, with all whom it meets. */
const reasonsOf = (lacks: readonly Lack[]): readonly string[] => {
  const groups = Map.groupBy(lacks, ({ what, why }) => `${what}: ${why}`);
  return [...groups.values()].flatMap((same) => {
    const all = same.map(({ who }) => who).join(", ");
    return same.slice(0, 1).map(({ what, why }) => `${what}, ${all}: ${why}`);
  });
};

/** The reasons behind what has no figure, and the rounds that were left out. */
export const notesOf = (
  summary: Summary,
  wanted: (cell: Cell) => boolean = () => true,
): readonly string[] => {
  const problems = summary.problems.filter(wanted);
  const entries = summary.rows.flatMap(({ entries }) => entries);
  const lacks = [
    ...problems.flatMap(lackOf),
    ...entries.filter(({ cell }) => cell && wanted(cell)).flatMap(unweighed),
  ];
  const left = problems.filter(({ problem }) => !problem);
  const leftOut = [...Map.groupBy(left, ({ scenario }) => scenario.name)].map(
    ([scenario, cells]) =>
      `${scenario}: rounds left out, in which the load generator was the bottleneck: ` +
      cells.map(({ contender, leftOut }) => `${contender.name} ${leftOut}`).join(", "),
  );
  return [...reasonsOf(lacks), ...leftOut];
};

/** What no difference may be smaller than. */
const noiseText = ({ floors }: Summary): string => {
  if (floors.length === 0) return NO_NOISE;
  const parts = [...Map.groupBy(floors, ({ scenario }) => scenario)].map(([scenario, own]) => {
    const each = own.map(({ figure, ratio }) => `${figures[figure].title} ${percent(ratio)}`);
    return `in ${scenario} ${each.join(" · ")}`;
  });
  return `${WHOSE_NOISE} ${parts.join("; ")}.`;
};

export const NO_NOISE =
  "Too little could be measured twice in a round to know how large the noise is.";

/** Whose noise it is. */
export const WHOSE_NOISE =
  "The noise is what those that ran twice in each round differ by from themselves, at the most:";

/** What the marks mean, and of how many rounds the figures are. */
export const legendOf = ({ rounds, steps }: Summary): string =>
  [
    `Medians of the rounds (${rounds}). * best of the techniques, = not to be told apart from the`,
    `best: the ${CONFIDENCE * 100} % interval of the ratio holds 1, or the ratio is within the noise.`,
    `Fewer than ${ENOUGH_ROUNDS} rounds have no interval and no mark; a column in which a technique has fewer has no marks.`,
    ...(steps ? [steps] : []),
  ].join(" ");

const HEADS = {
  "fan-out":
    "p50, p99: how old an event is when it arrives, counted from when it was to be published. CPU " +
    "of the server, bytes out and in, requests: per delivery.",
  idle: "Memory: per subscriber.",
  burst: "Rate: the highest, in events per second.",
  storm: "Whole: how long after the server was killed every subscriber had everything again.",
};

/** What the heads of the columns mean. */
const headsText = ({ columns }: Summary): string =>
  Object.entries(HEADS)
    .filter(([scenario]) => columns.some((column) => column.scenario === scenario))
    .map(([, text]) => text)
    .join(" ");

const wide = (value: string, width: number) =>
  " ".repeat(Math.max(0, width - value.length)) + value;

/** The summary as text of at most 100 columns. */
export const renderTable = (result: Result): string => {
  const summary = summaryOf(result);
  const { columns, rows } = summary;
  const heads = columns.map(({ scenario }, place) =>
    columns[place - 1]?.scenario === scenario ? "" : scenario,
  );
  const longest = Math.max(...rows.map(({ contender }) => contender.name.length));
  const room = Math.min(longest + 1, WIDTH - CELL * columns.length);
  const line = (name: string, cells: readonly string[]) => {
    // A name for which there is no room has a line of its own.
    const begin = name.length < room ? name.padEnd(room) : `${name}\n${" ".repeat(room)}`;
    return (begin + cells.map((cell) => wide(cell, CELL)).join("")).trimEnd();
  };
  // A mark hangs behind the column, so that figures stand below each other. A rate is one a second.
  const hanging = (cell: string) => (/[*=]$/.test(cell) ? cell : `${cell} `).replace("/s", "");
  const lines = [
    line(
      "",
      heads.map((head) => `${head} `),
    ),
    line(
      "",
      columns.map(({ head }) => `${head} `),
    ),
    ...rows.map(({ contender, entries }) =>
      line(
        contender.name,
        entries.map((entry) => hanging(textOf(entry))),
      ),
    ),
    "",
    wrap(headsText(summary)),
    wrap(workText(result)),
    wrap(legendOf(summary)),
    wrap(noiseText(summary)),
    ...notesOf(summary).map(wrap),
  ];
  const answer = answerOf(result);
  if (answer) lines.push("", ...answer.sentences.map(wrap));
  return lines.join("\n");
};

/** The same with the interval in brackets, where there is one. */
export const withInterval = (entry: Entry): string => {
  const { column, estimate } = entry;
  const interval = estimate && showInterval(column.figure, estimate);
  return interval ? `${textOf(entry)} (${interval})` : textOf(entry);
};

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

export const bullets = (items: readonly string[]) => items.map((item) => `- ${item}`).join("\n");

/** Tables in Markdown. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [
    row(head),
    row(head.map((_, place) => (place === 0 ? "---" : "---:"))),
    ...rows.map((cells) => row(cells.map((cell) => cell.replaceAll("|", "\\|")))),
  ].join("\n");

/**
 * The answer and the summary in Markdown, with intervals, conditions and reasons; `brief` has only
 * the techniques, without intervals.
 */
export const renderMarkdown = (result: Result, { brief = false } = {}): string => {
  const summary = summaryOf(result);
  const { columns, rows } = summary;
  const head = [
    "",
    ...columns.map(({ scenario, figure }) => `${scenario}: ${figures[figure].title}`),
  ];
  const body = rows
    .filter(({ contender }) => !brief || contender.kind === "tidings")
    .map(({ contender, entries }) => [
      contender.title,
      ...entries.map(brief ? textOf : withInterval),
    ]);
  // In brief, the answer speaks for the frontier.
  const shown = ({ contender, scenario }: Cell) =>
    !brief || (contender.kind === "tidings" && scenario.name !== "frontier");
  const answer = answerOf(result);
  const legend = legendOf(summary).replace("* best", "\\* best");
  return [
    bullets(answer?.sentences ?? []),
    table(head, body),
    brief ? legend : `${legend} In brackets: the ${CONFIDENCE * 100} % interval.`,
    brief ? "" : noiseText(summary),
    bullets(notesOf(summary, shown)),
    `${workText(result)} Measured: ${conditionsOf(result).join(" · ")}.`,
  ]
    .filter(Boolean)
    .join("\n\n");
};

/** What `bench compare` prints: what is really different first, and how that was judged. */
export const renderComparison = (comparison: Comparison): string => {
  const { before, after, changes, breaks, warnings } = comparison;
  const real = changes.filter(({ verdict }) => verdict !== "same");
  const line = ({ cell, figure, before, after, ratio, verdict }: Change) => {
    const interval = `${times(ratio.value)} (${times(ratio.low)} – ${times(ratio.high)})`;
    const values = `${showFigure(figure, before)} → ${showFigure(figure, after)}`;
    return wrap(
      `${verdict} ${cell.scenario.name}, ${whoOf(cell)}: ${figures[figure].title} ${values}, ${interval}`,
    );
  };
  const same = changes.length - real.length;
  const equal = real.length + breaks.length === 0;
  const names = [before, after].map(
    ({ conditions: { commit, dirty }, startedAt }) =>
      `${commit.slice(0, 9)}${dirty ? "+" : ""} of ${startedAt.slice(0, 16).replace("T", " ")}`,
  );
  return [
    `${names.join(" against ")}:`,
    ...warnings.map((warning) => wrap(`! ${warning}`)),
    ...breaks.map((text) => wrap(`changed ${text}`)),
    ...real.map(line),
    changes.length === 0
      ? "No figure could be compared."
      : equal
        ? `equal: none of ${same} figures differs by more than noise.`
        : `${real.length} of ${changes.length} figures differ; the other ${same} cannot be told from noise.`,
    "",
    wrap(HOW),
  ].join("\n");
};
