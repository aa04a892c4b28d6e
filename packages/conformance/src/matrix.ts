import type { Technique } from "@tidings/shared";
import { isWhole, type Outcome } from "./fault.ts";
import type { Played } from "./play.ts";

/** The fault matrix as it is kept: `results/faults.json`. */
export interface Matrix {
  /** The script's seed. */
  readonly seed: number;
  /** The Bun that it was played on. */
  readonly bun: string;
  /** By the fault's title, then by the lane's name, in the order in which they were played. */
  readonly faults: Readonly<Record<string, Readonly<Record<string, Outcome>>>>;
}

/** What a lane is called: both halves of the webhook pair are one. */
export const laneName = ({ name, pair }: Technique): string => (pair ? "webhook" : name);

export const matrixOf = (played: readonly Played[], seed: number): Matrix => {
  const faults: Record<string, Record<string, Outcome>> = {};
  for (const { fault, technique, outcome } of played)
    (faults[fault.title] ??= {})[laneName(technique)] = outcome;
  return { seed, bun: Bun.version, faults };
};

/** What the cells mean. */
export const LEGEND =
  "Each cell: lost / doubled / out of order / declared gaps, and the time until whole again.";

const duration = (ms: number | null) =>
  ms === null ? "never" : ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;

/** A cell in at most 14 characters, as long as there is little to count. */
export const cell = (outcome: Outcome | undefined): string => {
  if (!outcome) return "not played";
  if (outcome.outcome === "not applicable") return "–";
  if (outcome.outcome === "failed") return "FAILED";
  const { lost, doubled, reordered, gaps, wholeMs } = outcome;
  return `${[lost, doubled, reordered, gaps].join("/")} ${duration(wholeMs)}`;
};

export const lanesOf = ({ faults }: Matrix): readonly string[] => [
  ...new Set(Object.values(faults).flatMap((row) => Object.keys(row))),
];

/** The reasons behind the cells that have no numbers, each with the cells that it is for. */
export const notesOf = ({ faults }: Matrix): readonly string[] =>
  Object.entries(faults).flatMap(([title, row]) =>
    Object.entries(row).flatMap(([lane, outcome]) =>
      "reason" in outcome ? [`${cell(outcome)} ${title}, ${lane}: ${outcome.reason}`] : [],
    ),
  );

const WIDTH = 100;
const TITLE = 25;
const CELL = 15;

/** The matrix as text of 100 columns; `paint` may colour a cell. */
export const matrixText = (
  matrix: Matrix,
  paint = (text: string, _outcome: Outcome | undefined) => text,
): string => {
  const lines: string[] = [];
  const lanes = [...lanesOf(matrix)];
  // More lanes than fit stand below.
  while (lanes.length > 0) {
    const some = lanes.splice(0, Math.floor((WIDTH - TITLE) / CELL));
    lines.push("", "".padEnd(TITLE) + some.map((lane) => lane.slice(0, 14).padEnd(CELL)).join(""));
    for (const [title, row] of Object.entries(matrix.faults)) {
      const cells = some.map((lane) => paint(cell(row[lane]).padEnd(CELL), row[lane]));
      lines.push(title.padEnd(TITLE) + cells.join(""));
    }
  }
  lines.push("", ...wrap(LEGEND));
  lines.push(...notesOf(matrix).flatMap((note) => wrap(note)));
  return lines.map((line) => line.trimEnd()).join("\n");
};

const wrap = (text: string): string[] => {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line && line.length + word.length >= WIDTH) {
      lines.push(line);
      line = " ";
    }
    line += line ? ` ${word}` : word;
  }
  return [...lines, line];
};

/** The cells in which the contract was not kept. */
export const broken = ({ faults }: Matrix): readonly string[] =>
  Object.entries(faults).flatMap(([title, row]) =>
    Object.entries(row).flatMap(([lane, outcome]) =>
      isWhole(outcome) ? [] : [`${lane}: ${title}`],
    ),
  );
