// The server's core is not always as quick: who else is on the machine shares caches and execution
// units with it, and what a server takes moves with that by a tenth and more, from one run to the
// next. What the same small work took beside each run shows most of it.
import type { Figure } from "../metrics.ts";
import type { Measured } from "../result.ts";
import { mean, median } from "./bootstrap.ts";
import { laneOf, type Cell } from "./cells.ts";

/** What the choice between techniques is about, and the first that is compared. */
export const COST = "serverCpuUsPerDelivery";

const COSTS = [COST, "serverCpuUsPerSubscriberSecond"] as const;
type Cost = (typeof COSTS)[number];

/**
 * What depends on how fast the machine is, in all lanes alike. Times and sizes depend on how a lane
 * works, so only its own baselines and peers say what moves them.
 */
export const isServerCpu = (figure: Figure): boolean => COSTS.some((cost) => cost === figure);

/**
 * The CPU of who did not run twice in each round, and of work that no baseline did, has to differ by
 * this: the machine moves one server more than another, and nobody knows by how much.
 */
export const APART = 1.5;

/**
 * And of who did, by this: from one result to the next, equal servers have been seen to move by up to
 * an eighth against each other.
 */
export const MOVED = 1.125;

// Degrees of freedom, and standard errors: of less nothing is learnt.
const ENOUGH = 8;
const SURE = 2;

/** The logarithm of what the small work took beside a run; NaN where nobody looked. */
const paceOf = ({ samples }: Measured): number => Math.log(median(samples?.["coreUs"] ?? []));

/** How far each value is from their mean. */
const centred = (values: readonly number[]) => values.map((value) => value - mean(values));

/**
 * By which power of the core's pace a cost goes: least squares over the runs of each contender,
 * within its own mean. 0 where that is not known for sure.
 */
const powerOf = (groups: readonly (readonly Measured[])[], cost: Cost): number => {
  const all = groups.flatMap((outcomes) => {
    const paces = centred(outcomes.map(paceOf));
    const costs = centred(outcomes.map(({ metrics }) => Math.log(metrics[cost] ?? NaN)));
    return paces.map((pace, place) => [pace, costs[place] ?? NaN] as const);
  });
  const sum = (of: (pace: number, cost: number) => number) =>
    all.reduce((total, point) => total + of(...point), 0);
  const squares = sum((pace) => pace * pace);
  const power = sum((pace, cost) => pace * cost) / squares;
  const freedom = all.length - groups.length - 1;
  const error = Math.sqrt(sum((pace, cost) => (cost - power * pace) ** 2) / freedom / squares);
  return freedom >= ENOUGH && power > SURE * error ? power : 0;
};

/**
 * The same cells, with what the server's CPU cost would have been had its core been as quick in
 * every run: how the costs of a lane depend on the core's pace is learnt from all of its runs in a
 * scenario, and taken out. Where not every run has looked at its core, they stay as they are.
 */
export const atOnePace = (cells: readonly Cell[]): ReadonlyMap<Cell, Cell> => {
  const outcomesOf = (cell: Cell) =>
    [cell.rounds, cell.again].map((runs) => runs.map(({ outcome }) => outcome));
  const lanes = Map.groupBy(
    cells,
    ({ scenario, contender }) => `${scenario.name} ${laneOf(contender.name)}`,
  );
  return new Map(
    lanes.values().flatMap((lane) => {
      const groups = lane.flatMap(outcomesOf).filter((outcomes) => outcomes.length > 0);
      const usual = mean(groups.flat().map(paceOf));
      const powers = COSTS.map((cost) => {
        const known = groups.filter((outcomes) => outcomes.some(({ metrics }) => cost in metrics));
        return [cost, powerOf(known, cost)] as const;
      });
      const evened = <Round extends { readonly outcome: Measured }>(round: Round): Round => {
        const { outcome } = round;
        const away = paceOf(outcome) - usual;
        const metrics = { ...outcome.metrics };
        for (const [cost, power] of powers)
          if (power > 0 && metrics[cost] !== undefined) metrics[cost] *= Math.exp(-power * away);
        return { ...round, outcome: { ...outcome, metrics } };
      };
      return lane.map((cell): [Cell, Cell] => [
        cell,
        { ...cell, rounds: cell.rounds.map(evened), again: cell.again.map(evened) },
      ]);
    }),
  );
};
