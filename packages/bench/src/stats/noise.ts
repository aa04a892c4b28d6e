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

/** The ratio up to which a difference is no difference: that of the same contender from itself. */
export const floorOf = (noise: readonly Noise[], figure: Figure): number =>
  Math.max(
    LEAST,
    ...noise.filter((one) => one.figure === figure).map(({ ratios }) => departure(median(ratios))),
  );

/** Whether two cells that did the same work cannot be told apart in a figure, and the ratio. */
export interface Difference {
  readonly ratio: Estimate;
  readonly tie: boolean;
}

export const differenceOf = (
  one: Cell,
  other: Cell,
  figure: Figure,
  noise: readonly Noise[],
): Difference | undefined => {
  if (one.problem || other.problem || workOf(one) !== workOf(other)) return undefined;
  const ratios = ratiosOf(one.rounds, other.rounds, figure);
  if (ratios.length === 0) return undefined;
  const ratio = estimate(ratios);
  const within = departure(ratio.value) <= floorOf(noise, figure);
  return { ratio, tie: within || (ratio.low <= 1 && ratio.high >= 1) };
};
