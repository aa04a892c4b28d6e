// The one table: contenders against what matters of each scenario.
import { figures, type Figure } from "../metrics.ts";
import type { Contender, Result } from "../result.ts";
import { cellsOf, figureOf, hasBounds, isPartial, medianOf, type Cell } from "../stats/cells.ts";
import { ENOUGH_ROUNDS, type Estimate } from "../stats/bootstrap.ts";
import { differenceOf, floorsOf, noiseOf, type Floor, type Noise } from "../stats/noise.ts";
import { COST } from "../stats/core.ts";
import { stepText } from "./words.ts";

export interface Column {
  readonly scenario: string;
  readonly figure: Figure;
  /** At most eight characters. */
  readonly head: string;
}

const COLUMNS: readonly Column[] = [
  { scenario: "fan-out", figure: "stalenessP50Us", head: "p50" },
  { scenario: "fan-out", figure: "stalenessP99Us", head: "p99" },
  { scenario: "fan-out", figure: "serverCpuUsPerDelivery", head: "CPU" },
  { scenario: "fan-out", figure: "bytesOutPerDelivery", head: "out" },
  { scenario: "fan-out", figure: "bytesInPerDelivery", head: "in" },
  { scenario: "fan-out", figure: "requestsPerDelivery", head: "requests" },
  { scenario: "idle", figure: "rssBytesPerSubscriber", head: "memory" },
  { scenario: "burst", figure: "highestRate", head: "rate" },
  { scenario: "storm", figure: "wholeAfterMs", head: "whole" },
];

/** Best among the techniques, or not to be told apart from it; undefined where nobody can say. */
export type Place = "best" | "tie" | undefined;

export interface Entry {
  readonly column: Column;
  readonly cell: Cell | undefined;
  readonly estimate: Estimate | undefined;
  readonly place: Place;
}

export interface Row {
  readonly contender: Contender;
  readonly entries: readonly Entry[];
}

export interface Summary {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** What no difference may be smaller than. */
  readonly floors: readonly Floor[];
  /** How many rounds each scenario has, at the most: `fan-out 5, idle 1`. */
  readonly rounds: string;
  /** How fine the highest rates are. */
  readonly steps: string;
  /** Cells without figures, and rounds that were left out. */
  readonly problems: readonly Cell[];
}

/**
 * Which of these are the best in a figure. Only what can be told from noise is worse; of fewer rounds
 * than an interval takes, nobody can say.
 */
const placesOf = (
  cells: readonly Cell[],
  figure: Figure,
  noise: readonly Noise[],
): ReadonlyMap<Cell, Place> => {
  const sound = cells.filter(({ problem }) => !problem);
  if (sound.some(({ rounds }) => rounds.length < ENOUGH_ROUNDS)) return new Map();
  // Of two lower bounds, either may be the better one. So may be who lacks the figure in some rounds;
  // who has it in none is taken for one that cannot have it.
  if (sound.some((cell) => hasBounds(cell, figure) || isPartial(cell, figure))) return new Map();
  const sign = figures[figure].better === "higher" ? -1 : 1;
  const ranked = sound
    .flatMap((cell) => {
      const value = medianOf(cell, figure);
      return value === undefined ? [] : [{ cell, value: sign * value }];
    })
    .sort((a, b) => a.value - b.value);
  const [best, ...others] = ranked;
  if (!best || others.length === 0) return new Map();
  const differences = others.map(({ cell }) => ({
    cell,
    difference: differenceOf(cell, best.cell, figure, noise),
  }));
  if (differences.some(({ difference }) => !difference)) return new Map();
  const tied = differences.filter(({ difference }) => difference?.tie);
  return new Map<Cell, Place>([
    [best.cell, tied.length > 0 ? "tie" : "best"],
    ...tied.map(({ cell }) => [cell, "tie"] as const),
  ]);
};

export const summaryOf = (result: Result): Summary => {
  const cells = cellsOf(result);
  const noise = noiseOf(cells);
  const columns = COLUMNS.filter(({ scenario }) =>
    cells.some((cell) => cell.scenario.name === scenario),
  );
  const places = new Map(
    columns.map((column) => {
      const own = cells.filter(
        ({ scenario, contender }) =>
          scenario.name === column.scenario && contender.kind === "tidings",
      );
      return [column, placesOf(own, column.figure, noise)];
    }),
  );
  const rows = result.contenders.map((contender): Row => ({
    contender,
    entries: columns.map((column) => {
      const cell = cells.find(
        (one) => one.contender === contender && one.scenario.name === column.scenario,
      );
      const estimate = cell && figureOf(cell, column.figure);
      return { column, cell, estimate, place: cell && places.get(column)?.get(cell) };
    }),
  }));
  const problems = cells.filter(({ problem, leftOut }) => problem || leftOut > 0);
  const rounds = [...Map.groupBy(cells, ({ scenario }) => scenario.name)]
    .map(([name, own]) => `${name} ${Math.max(...own.map((cell) => cell.rounds.length))}`)
    .join(", ");
  // Only where something is judged: where there are marks, and of the frontier the cost.
  const judged = noise.filter(({ cell, figure, ratios }) =>
    cell.scenario.name === "frontier" ? figure === COST : ratios.length >= ENOUGH_ROUNDS,
  );
  const floors = floorsOf(judged);
  return { columns, rows, floors, rounds, steps: stepText(cells), problems };
};
