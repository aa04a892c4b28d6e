// By how much a figure has shifted between two results, beside what shows the machine's own moves.
import type { Figure } from "../metrics.ts";
import { median } from "./bootstrap.ts";
import { laneOf, valuesOf, workOf, type Cell } from "./cells.ts";
import { beyond, critical } from "./student.ts";

/** The same work of the same contender, in both results. */
export interface Pair {
  readonly old: Cell;
  readonly now: Cell;
}

/** By how much the logarithms differ, and how sure that is. */
export interface Shift {
  readonly by: number;
  /** Of one round's logarithm. */
  readonly variance: number;
  /** Degrees of freedom of the variance. */
  readonly freedom: number;
  /** The rounds' share in the variance of `by`: 1 / 5 + 1 / 5 of five in each result. */
  readonly shares: number;
  /** How far the machine may have moved it. */
  readonly drift: number;
}

/**
 * What depends on how fast the machine is, in all lanes alike. Times and sizes depend on how a lane
 * works, so only its own baselines and peers say what moves them.
 */
export const isServerCpu = (figure: Figure): boolean =>
  figure === "serverCpuUsPerDelivery" || figure === "serverCpuUsPerSubscriberSecond";

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** A figure's logarithms by round; of who runs twice in a round, the mean of both. */
const logsOf = ({ rounds, again }: Cell, figure: Figure): ReadonlyMap<number, number> => {
  const second = valuesOf(again, figure);
  return new Map(
    [...valuesOf(rounds, figure)].map(([round, value]) => [
      round,
      mean([value, second.get(round) ?? value].map(Math.log)),
    ]),
  );
};

/** A figure's logarithms in both results, round by round. */
const sidesOf = ({ old, now }: Pair, figure: Figure) => [logsOf(old, figure), logsOf(now, figure)];

/** Both results' logarithms, less the mean of the yardsticks' in the same round. */
const besides = (pair: Pair, yardsticks: readonly Pair[], figure: Figure) => {
  const others = yardsticks.map((yardstick) => sidesOf(yardstick, figure));
  return sidesOf(pair, figure).map((logs, side) =>
    [...logs].map(
      ([round, log]) => log - mean(others.map((both) => both[side]?.get(round) ?? NaN)),
    ),
  );
};

/** The logarithms by which these have moved from one result to the other. */
export const movesOf = (pairs: readonly Pair[], figure: Figure): readonly number[] =>
  pairs
    .map((pair) => sidesOf(pair, figure).map((logs) => mean([...logs.values()])))
    .map(([from = NaN, to = NaN]) => to - from)
    .filter(Number.isFinite);

/**
 * The shift of a figure beside the baselines and peers that did the same work in the same rounds.
 * Where there are none, `drift` is by how much they have moved in other work.
 */
export const shiftOf = (pair: Pair, figure: Figure, others: readonly Pair[]): Shift => {
  const { scenario, contender } = pair.old;
  // One that lacks a round would shift the mean of all by what it is away from it.
  const yardsticks = others.filter(
    (yardstick) =>
      yardstick.old.scenario.name === scenario.name &&
      (isServerCpu(figure) || laneOf(yardstick.old.contender.name) === laneOf(contender.name)) &&
      workOf(yardstick.old) === workOf(pair.old) &&
      besides(pair, [yardstick], figure).flat().every(Number.isFinite),
  );
  const alone = yardsticks.length === 0;
  const logs = alone
    ? sidesOf(pair, figure).map((side) => [...side.values()])
    : besides(pair, yardsticks, figure);
  const moves = alone ? movesOf(others, figure) : [];
  const [from = NaN, to = NaN] = logs.map(mean);
  const freedom = logs.flat().length - 2;
  const squares = logs.flatMap((values) => values.map((value) => (value - mean(values)) ** 2));
  const variance = squares.reduce((sum, square) => sum + square, 0) / freedom;
  const shares = logs.reduce((sum, { length }) => sum + 1 / length, 0);
  return {
    by: to - from,
    variance,
    freedom,
    shares,
    drift: moves.length > 0 ? Math.abs(median(moves)) : 0,
  };
};

/**
 * What a few rounds say of their own spread is mostly chance. Shifts of one figure in one scenario
 * have much the same, so each is given the mean of its own and of all: a moderated t, as limma has
 * it [Smyth 2004], with as much trust in the others as in itself. Fewer than three stay as they are.
 */
export const moderated = (shifts: readonly Shift[]): readonly Shift[] => {
  if (shifts.length < 3) return shifts;
  const usual = mean(shifts.map(({ variance }) => variance));
  return shifts.map(({ variance, freedom, ...shift }) => ({
    ...shift,
    variance: (variance + usual) / 2,
    freedom: 2 * freedom,
  }));
};

/** The standard error of a shift. */
const errorOf = ({ variance, shares }: Shift): number => Math.sqrt(variance * shares);

/** How likely this shift, or more, were by chance if it truly were no larger than its drift. */
export const chanceOf = (shift: Shift): number => {
  const left = Math.abs(shift.by) - shift.drift;
  return left > 0 ? beyond(left / errorOf(shift), shift.freedom) : 1;
};

/** The shift as a ratio, with the interval that holds it so surely, such as 0.99. */
export const ratioOf = (shift: Shift, sure: number) => {
  const { by, freedom } = shift;
  const reach = errorOf(shift) * critical(1 - sure, freedom);
  return { value: Math.exp(by), low: Math.exp(by - reach), high: Math.exp(by + reach) };
};
