// By how much a figure has shifted between two results, beside what shows the machine's own moves.
import { figures, type Figure } from "../metrics.ts";
import { mean, median, middle } from "./bootstrap.ts";
import { laneOf, valuesOf, workOf, type Cell } from "./cells.ts";
import { APART, COST, isServerCpu } from "./core.ts";
import { beyond, critical } from "./student.ts";

/** Of fewer techniques nobody knows which of them has moved. */
const ENOUGH_RIVALS = 3;

/** Whether a machine can move it: a time, or what is done in a time. */
export const isOfMachine = (figure: Figure): boolean =>
  ["µs", "ms", "/s"].includes(figures[figure].unit);

/** The same work of the same contender, in both results. */
export interface Pair {
  readonly old: Cell;
  readonly now: Cell;
}

/** By how much the logarithms differ, and how sure that is. */
export interface Shift {
  readonly by: number;
  /** Its standard error. */
  readonly error: number;
  /** Degrees of freedom. */
  readonly freedom: number;
  /** How far the machine may have moved it. */
  readonly drift: number;
}

/** A figure's logarithms by round; of who runs twice in a round, the mean of both. */
const logsOf = ({ rounds, again }: Cell, figure: Figure): ReadonlyMap<number, number> => {
  const second = valuesOf(again, figure);
  return new Map(
    [...valuesOf(rounds, figure)].map(([round, value]) => [
      round,
      mean([value, second.get(round) || value].map(Math.log)),
    ]),
  );
};

/** A figure's logarithms in both results, round by round. */
const sidesOf = ({ old, now }: Pair, figure: Figure) => [logsOf(old, figure), logsOf(now, figure)];

/**
 * Both results' logarithms, less what the yardsticks were above their own mean in the same round: the
 * middle ones, so that a single one which was disturbed disturbs nobody else. A machine slows some
 * work more than other work, so those of the same lane count as much as all of them together. A round
 * that none of them has is left out.
 */
const besides = (pair: Pair, yardsticks: readonly Pair[], figure: Figure) => {
  const lane = laneOf(pair.old.contender.name);
  const others = yardsticks.map((yardstick) => {
    const sides = sidesOf(yardstick, figure);
    const isNear = laneOf(yardstick.old.contender.name) === lane;
    return { sides, isNear, usual: mean(sides.map((logs) => mean([...logs.values()]))) };
  });
  return sidesOf(pair, figure).map((logs, side) =>
    [...logs].flatMap(([round, log]) => {
      const away = others
        .map(({ sides, usual, isNear }) => ({
          isNear,
          by: (sides[side]?.get(round) ?? NaN) - usual,
        }))
        .filter(({ by }) => Number.isFinite(by));
      const groups = [away, away.filter(({ isNear }) => isNear)].filter(({ length }) => length > 0);
      const moves = groups.map((group) => middle(group.map(({ by }) => by)));
      return moves.length > 0 ? [log - mean(moves)] : [];
    }),
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
 * `drift` is 0 for what a delivery costs, which is held against all of them. One or two servers of a
 * lane move by themselves as well: of other figures, it is by how much those have. Where there are none,
 * it is by how much they have moved in other work, or the `rivals`, the other techniques, in the same:
 * whichever is more. How the machine moves CPU depends on the work: of that it is no less than `APART`.
 */
export const shiftOf = (
  pair: Pair,
  figure: Figure,
  others: readonly Pair[],
  rivals: readonly Pair[],
): Shift => {
  const { scenario, contender } = pair.old;
  const yardsticks = others.filter(
    (yardstick) =>
      // What weighs more is no machine's doing. Rates are tried in steps: one up here and one down there
      // are no two steps.
      isOfMachine(figure) &&
      figure !== "highestRate" &&
      yardstick.old.scenario.name === scenario.name &&
      (figure === COST || laneOf(yardstick.old.contender.name) === laneOf(contender.name)) &&
      workOf(yardstick.old) === workOf(pair.old) &&
      // What was nothing has no logarithm.
      sidesOf(yardstick, figure).every((logs) => [...logs.values()].every(Number.isFinite)),
  );
  const beside = besides(pair, yardsticks, figure);
  const alone = beside.some((values) => values.length < 2);
  const logs = alone ? sidesOf(pair, figure).map((side) => [...side.values()]) : beside;
  const same = rivals.filter(
    ({ old }) =>
      old.contender !== contender &&
      old.scenario.name === scenario.name &&
      workOf(old) === workOf(pair.old),
  );
  // What weighs more, or asks more often, is no machine's doing.
  const shared = isOfMachine(figure) && same.length >= ENOUGH_RIVALS ? same : [];
  const driftOf = (pairs: readonly Pair[]) => Math.abs(median(movesOf(pairs, figure)));
  const drifts = (alone ? [others, shared] : figure === COST ? [] : [yardsticks]).map(driftOf);
  const least = alone && isServerCpu(figure) ? Math.log(APART) : 0;
  const [from = NaN, to = NaN] = logs.map(mean);
  const freedom = logs.flat().length - 2;
  const squares = logs.flatMap((values) => values.map((value) => (value - mean(values)) ** 2));
  const variance = squares.reduce((sum, square) => sum + square, 0) / freedom;
  const shares = logs.reduce((sum, { length }) => sum + 1 / length, 0);
  return {
    by: to - from,
    error: Math.sqrt(variance * shares),
    freedom,
    drift: Math.max(least, ...drifts.filter(Number.isFinite)),
  };
};

/** How likely this shift, or more, were by chance if it truly were no larger than its drift. */
export const chanceOf = ({ by, error, freedom, drift }: Shift): number => {
  const left = Math.abs(by) - drift;
  return left > 0 ? beyond(left / error, freedom) : 1;
};

/** The shift as a ratio, with the interval that holds it so surely, such as 0.99. */
export const ratioOf = ({ by, error, freedom }: Shift, sure: number) => {
  const reach = error * critical(1 - sure, freedom);
  return { value: Math.exp(by), low: Math.exp(by - reach), high: Math.exp(by + reach) };
};
