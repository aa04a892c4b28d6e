// What all plots have in common: they are drawn here, as SVG, so that the page needs no script and
// no network; each in two widths, of which the style sheet shows the one that fits.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { laneOf } from "../stats/cells.ts";

const { document } = parseHTML("<!doctype html><body></body>");

/** Wide enough for labels, or as wide as a telephone. */
export interface Sheet {
  readonly width: number;
  readonly narrow: boolean;
}

const SHEETS: readonly Sheet[] = [
  { width: 840, narrow: false },
  { width: 328, narrow: true },
];

/** Draws a plot on both sheets. */
export const draw = (label: string, plot: (sheet: Sheet) => Plot.PlotOptions): string =>
  SHEETS.map((sheet) => {
    const svg = Plot.plot({
      ...plot(sheet),
      document,
      width: sheet.width,
      className: "plot",
      ariaLabel: label,
    }).outerHTML;
    const short = svg.replaceAll(/-?\d+\.\d{3,}/g, (number: string) => `${+(+number).toFixed(2)}`);
    return `<div class="${sheet.narrow ? "narrow" : "wide"}">${short.replace("<svg", '<svg role="img"')}</div>`;
  }).join("\n");

const LANES = ["short-poll", "long-poll", "sse", "ws", "webhook"];
const EXTRAS = 3;

/** The colour of a contender: that of its lane, the same in every plot. */
export const colourOf = (contender: string, contenders: readonly string[]): string => {
  const lane = laneOf(contender);
  if (LANES.includes(lane)) return `var(--${lane})`;
  const others = [...new Set(contenders.map(laneOf))].filter((name) => !LANES.includes(name));
  return `var(--extra-${(others.indexOf(lane) % EXTRAS) + 1})`;
};

// A second sign beside the colour, in the plot and in its legend.
const SIGNS = [
  ["circle", "●"],
  ["square", "■"],
  ["triangle", "▲"],
  ["diamond", "◆"],
  ["star", "★"],
] as const;
const OTHER = ["times", "×"] as const;

const signsOf = (contender: string) => SIGNS[LANES.indexOf(laneOf(contender))] ?? OTHER;

// A technique's line is whole; beside it there are as many as this in its lane.
const DASHES = ["5 3", "1.5 2.5", "11 3", "11 3 2 3"] as const;

/** How a contender's line is dashed, so that each in a lane has its own. */
export const dashOf = (contender: string, contenders: readonly string[]): string => {
  const others = contenders.filter((name) => name.startsWith(`${laneOf(contender)}/`));
  return DASHES[others.indexOf(contender) % DASHES.length] ?? "none";
};

export const symbolOf = (contender: string) => signsOf(contender)[0];
export const signOf = (contender: string) => signsOf(contender)[1];

/** A logarithmic axis that reaches over all values, with a tick at least at each power of ten. */
export const logScale = (
  values: readonly number[],
  tickFormat: (value: number) => string,
  { narrow }: Pick<Sheet, "narrow">,
): Plot.ScaleOptions & Plot.AxisOptions => {
  const positive = values.filter((value) => value > 0);
  const low = Math.min(...positive) / 1.25;
  const high = Math.max(...positive) * 1.25;
  const powers = (factors: readonly number[]) => {
    const ticks: number[] = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
      ticks.push(...factors.map((factor) => factor * 10 ** power));
    return ticks.filter((tick) => tick >= low && tick <= high);
  };
  // As few as will do.
  const enough = narrow ? 2 : 3;
  const ticks = [
    ...[[1], [1, 3]].map(powers).filter((found) => found.length >= enough),
    ...[[1, 2, 5]].map(powers).filter((found) => found.length >= 2),
    powers([1, 2, 3, 4, 5, 6, 7, 8, 9]),
  ][0];
  return {
    type: "log",
    domain: [low, high],
    ...(ticks && { ticks }),
    tickFormat,
  };
};
