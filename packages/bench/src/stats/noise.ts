import { figures, type Figure } from "../metrics.ts";
import { CONFIDENCE, ENOUGH_ROUNDS, estimate, median, type Estimate } from "./bootstrap.ts";
import { figuresIn, medianOf, ratiosOf, workOf, type Cell } from "./cells.ts";
import { APART, isServerCpu, MOVED } from "./core.ts";
import { critical } from "./student.ts";

/** By how much a contender differed from itself, run twice in each round. */
export interface Noise {
  readonly cell: Cell;
  readonly figure: Figure;
  /** Second run against first, by round. */
  readonly ratios: readonly number[];
}

export const noiseOf = (cells: readonly Cell[]): readonly Noise[] =>
  cells.flatMap((cell) =>
    figuresIn([cell]).flatMap((figure) => {
      const ratios = ratiosOf(cell.again, cell.rounds, figure);
      const judged = !cell.problem && figures[figure].better !== "neither";
      return judged && ratios.length > 0 ? [{ cell, figure, ratios }] : [];
    }),
  );

/** How far a ratio is from 1, either way: 1.1 for 1.1 and for 1 / 1.1. */
export const departure = (ratio: number): number => Math.max(ratio, 1 / ratio);

/** Rates are tried in steps: how much higher than what is held the next one may be, at the most. */
export const RATE_STEP = 4 / 3;

/** Less than this is never called a difference, however exact it is. */
const leastOf = (figure: Figure): number =>
  // A step is one, whatever the last bit of its logarithm says.
  figure === "highestRate" ? RATE_STEP * 1.001 : 1.01;

const noiseIn = (noise: readonly Noise[], scenario: string, figure: Figure): readonly Noise[] =>
  noise.filter((one) => one.figure === figure && one.cell.scenario.name === scenario);

/**
 * The ratio up to which a difference is no difference: what a contender that runs twice differs by
 * from itself in the same scenario, at the most. Of many rounds it is their median; of too few for
 * that, what 95 % of such ratios of single rounds stay within, by Student's t.
 */
export const floorOf = (
  noise: readonly Noise[],
  scenario: string,
  figure: Figure,
  rounds = Infinity,
): number => {
  const known = noiseIn(noise, scenario, figure).map(({ ratios }) => ratios);
  const least = leastOf(figure);
  if (rounds >= ENOUGH_ROUNDS) return Math.max(least, ...known.map(median).map(departure));
  const squares = known.flat().map((ratio) => Math.log(ratio) ** 2);
  const spread = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
  return Math.max(least, Math.exp(critical(1 - CONFIDENCE, squares.length) * spread));
};

const isSame = (one: Pick<Cell, "scenario" | "contender">, other: Cell): boolean =>
  one.scenario.name === other.scenario.name && one.contender.name === other.contender.name;

/** The noise of those that are compared, where each of them ran twice; else that of all who did. */
const noiseAmong = (noise: readonly Noise[], ...cells: readonly Cell[]): readonly Noise[] => {
  const own = cells.map((cell) => noise.filter((one) => isSame(cell, one.cell)));
  return own.every(({ length }) => length > 0) ? own.flat() : noise;
};

/** Whether a contender ran twice in each round, so that its noise in a figure is known. */
export const ranTwice = (
  noise: readonly Noise[],
  cell: Pick<Cell, "scenario" | "contender">,
  figure: Figure,
): boolean => noise.some((one) => one.figure === figure && isSame(cell, one.cell));

/**
 * The same between two results, which are tested for chance: that test knows how far who ran twice is
 * from itself. What it does not know is how far the machine moves one server against another.
 */
export const floorBetween = (
  noise: readonly Noise[],
  cell: Pick<Cell, "scenario" | "contender">,
  figure: Figure,
): number => {
  const isTwice = ranTwice(noise, cell, figure);
  const least = isTwice ? leastOf(figure) : floorOf(noise, cell.scenario.name, figure);
  return isServerCpu(figure) ? Math.max(least, isTwice ? MOVED : APART) : least;
};

/** How two cells that did the same work differ in a figure. */
export interface Difference {
  /** One against the other, by round; `undefined` where something is 0. */
  readonly ratio: Estimate | undefined;
  /** They cannot be told apart. */
  readonly tie: boolean;
}

/** `undefined` where nothing can be said: no figures, or too few rounds and no noise to hold them to. */
export const differenceOf = (
  one: Cell,
  other: Cell,
  figure: Figure,
  noise: readonly Noise[],
): Difference | undefined => {
  if (workOf(one) !== workOf(other)) return undefined;
  const [own, base] = [medianOf(one, figure), medianOf(other, figure)];
  if (own === undefined || base === undefined) return undefined;
  if (own === 0 || base === 0) return { ratio: undefined, tie: own === base };
  const ratios = ratiosOf(one.rounds, other.rounds, figure);
  const scenario = one.scenario.name;
  const enough = ratios.length >= ENOUGH_ROUNDS;
  const known = enough || noiseIn(noise, scenario, figure).length > 0;
  if (ratios.length === 0 || !known) return undefined;
  const ratio = estimate(ratios);
  const floor = floorOf(noiseAmong(noise, one, other), scenario, figure, ratios.length);
  const within = departure(ratio.value) <= floor;
  return { ratio, tie: within || (enough && ratio.low <= 1 && ratio.high >= 1) };
};

/** What no difference may be smaller than, for those who read it. */
export interface Floor {
  readonly scenario: string;
  readonly figure: Figure;
  readonly ratio: number;
}

export const floorsOf = (noise: readonly Noise[]): readonly Floor[] => {
  const floors = new Map<string, Floor>();
  for (const { cell, figure, ratios } of noise) {
    const scenario = cell.scenario.name;
    const ratio = floorOf(noise, scenario, figure, ratios.length);
    floors.set(`${scenario} ${figure}`, { scenario, figure, ratio });
  }
  return [...floors.values()];
};
