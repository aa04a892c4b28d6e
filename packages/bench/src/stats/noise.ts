import { figures, type Figure } from "../metrics.ts";
import { estimate, median, type Estimate } from "./bootstrap.ts";
import { figuresIn, ratiosOf, workOf, type Cell } from "./cells.ts";

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

/** Less than this is never called a difference, however exact it is. */
const LEAST = 1.01;

/**
 * The ratio up to which a difference is no difference: that of the same contender from itself, as
 * the median of all rounds, or for a single round (`rounds` is 1) the largest of any round.
 */
export const floorOf = (noise: readonly Noise[], figure: Figure, rounds = Infinity): number =>
  Math.max(
    LEAST,
    ...noise
      .filter((one) => one.figure === figure)
      .flatMap(({ ratios }) => (rounds === 1 ? ratios : [median(ratios)]))
      .map(departure),
  );

/** How two cells that did the same work differ in a figure. */
export interface Difference {
  /** One against the other, by round. */
  readonly ratio: Estimate;
  /** They cannot be told apart. */
  readonly tie: boolean;
}

/** `undefined` where nothing can be said: no common round, or a single one and no noise to hold it to. */
export const differenceOf = (
  one: Cell,
  other: Cell,
  figure: Figure,
  noise: readonly Noise[],
): Difference | undefined => {
  if (one.problem || other.problem || workOf(one) !== workOf(other)) return undefined;
  const ratios = ratiosOf(one.rounds, other.rounds, figure);
  const known = ratios.length > 1 || noise.some((each) => each.figure === figure);
  if (ratios.length === 0 || !known) return undefined;
  const ratio = estimate(ratios);
  const within = departure(ratio.value) <= floorOf(noise, figure, ratios.length);
  return { ratio, tie: within || (ratios.length > 1 && ratio.low <= 1 && ratio.high >= 1) };
};
