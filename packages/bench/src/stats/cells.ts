import { figures, type Figure } from "../metrics.ts";
import type { Contender, Measured, Outcome, Params, Result, Run, Scenario } from "../result.ts";
import { estimate, median, type Estimate } from "./bootstrap.ts";
import { quantile } from "./histogram.ts";

/** All rounds of one contender doing one piece of work. */
export interface Cell {
  readonly scenario: Scenario;
  readonly contender: Contender;
  readonly params: Params;
  /** The rounds that count, each with its number. */
  readonly rounds: readonly { readonly round: number; readonly outcome: Measured }[];
  /** The second runs of who runs twice in each round. */
  readonly again: Cell["rounds"];
  /** Why there are no figures: a round that failed, or too few that could be measured. */
  readonly problem?: Exclude<Outcome, Measured>;
  /** Rounds that were left out because the load generator was the bottleneck. */
  readonly leftOut: number;
}

/** The lane that a contender belongs to: `sse/raw-bun` is held against `sse`. */
export const laneOf = (contender: string): string => contender.split("/", 1)[0] ?? contender;

/** Params in one line, such as `subscribers 100, pollMs 1,000`. */
export const paramsText = (params: Params): string =>
  Object.entries(params)
    .map(([name, value]) => `${name} ${value.toLocaleString("en")}`)
    .join(", ");

/** The params that make this cell another one than the scenario's others. */
export const ownParamsText = ({ scenario, params }: Pick<Cell, "scenario" | "params">): string =>
  paramsText(
    Object.fromEntries(
      Object.entries(params).filter(([name, value]) => scenario.params[name] !== value),
    ),
  );

/** Params as a key. `pollMs` is the contender's own choice, and no part of the work. */
export const workOf = ({ params }: { readonly params: Params }): string =>
  paramsText(Object.fromEntries(Object.entries(params).filter(([name]) => name !== "pollMs")));

/**
 * The names of the params that two cells of one contender do not share. Results from before `pollMs`
 * was left out where nobody rests between polls have it everywhere: who lacks it in one has no use
 * for it in the other. Older ones lack `measureMs`.
 */
export const differingParams = (one: Cell, other: Cell): readonly string[] =>
  Object.keys({ ...one.params, ...other.params }).filter((name) => {
    const values = [one.params[name], other.params[name]];
    return (
      values[0] !== values[1] &&
      !(["pollMs", "measureMs"].includes(name) && values.includes(undefined))
    );
  });

const measured = (runs: readonly Run[]): Cell["rounds"] =>
  runs.flatMap(({ round, outcome }) => (outcome.kind === "measured" ? [{ round, outcome }] : []));

/**
 * The runs by what they did. One round in which the contract was broken voids its cell; rounds in
 * which the load generator was the bottleneck are left out, as long as they are less than half.
 */
export const cellsOf = ({ scenarios, contenders, runs }: Result): readonly Cell[] =>
  scenarios.flatMap((scenario) =>
    contenders.flatMap((contender) => {
      const own = runs.filter(
        (run) => run.scenario === scenario.name && run.contender === contender.name,
      );
      const byParams = Map.groupBy(own, ({ params }) => paramsText(params));
      return [...byParams.values()].map((all): Cell => {
        const first = all.filter(({ replica }) => replica !== "B");
        const second = all.filter(({ replica }) => replica === "B");
        const rounds = measured(first);
        const others = all.map(({ outcome }) => outcome);
        const failed = others.find(({ kind }) => kind === "failed");
        const tooFew = rounds.length * 2 <= first.length;
        const other = others.find(({ kind }) => kind !== "measured");
        const problem = failed ?? (tooFew ? other : undefined);
        return {
          scenario,
          contender,
          params: all[0]?.params ?? {},
          rounds,
          again: measured(second),
          leftOut: first.length - rounds.length,
          ...(problem && problem.kind !== "measured" && { problem }),
        };
      });
    }),
  );

const figureIn = ({ metrics, staleness, publish }: Measured, figure: Figure) => {
  if (figure === "stalenessP50Us") return staleness && quantile(staleness, 0.5);
  if (figure === "stalenessP99Us") return staleness && quantile(staleness, 0.99);
  if (figure === "publishP99Us") return publish && quantile(publish, 0.99);
  return metrics[figure];
};

/** A figure's values by round; empty where there are none. */
export const valuesOf = (rounds: Cell["rounds"], figure: Figure): ReadonlyMap<number, number> =>
  new Map(
    rounds.flatMap(({ round, outcome }) => {
      const value = figureIn(outcome, figure);
      return value === undefined ? [] : [[round, value] as const];
    }),
  );

/** Whether only some of the rounds have a figure: their median is not that of all. */
export const isPartial = ({ rounds }: Cell, figure: Figure): boolean =>
  ![0, rounds.length].includes(valuesOf(rounds, figure).size);

const completeOf = (cell: Cell, figure: Figure): readonly number[] =>
  cell.problem || isPartial(cell, figure) ? [] : [...valuesOf(cell.rounds, figure).values()];

/** A figure's median over the rounds; `undefined` where not each of them has it. */
export const figureOf = (cell: Cell, figure: Figure): Estimate | undefined => {
  const values = completeOf(cell, figure);
  return values.length > 0 ? estimate(values) : undefined;
};

/** The same without its interval, which takes a while. */
export const medianOf = (cell: Cell, figure: Figure): number | undefined => {
  const values = completeOf(cell, figure);
  return values.length > 0 ? median(values) : undefined;
};

const isBound = (outcome: Measured, figure: Figure): boolean =>
  outcome.atLeast?.some((metric) => metric === figure) ?? false;

/** Whether some of the rounds know only a lower bound of a figure. */
export const hasBounds = ({ rounds }: Cell, figure: Figure): boolean =>
  rounds.some(({ outcome }) => isBound(outcome, figure));

/** Whether a figure's median is a lower bound: it would be more if those of the rounds were. */
export const isAtLeast = ({ rounds }: Cell, figure: Figure): boolean => {
  const [known, most] = [0, Infinity].map((more) =>
    median(
      rounds.map(({ outcome }) => {
        const value = figureIn(outcome, figure) ?? NaN;
        return isBound(outcome, figure) ? Math.max(value, more) : value;
      }),
    ),
  );
  return !Object.is(known, most);
};

/** The figures that any of these cells has, in the order in which they are shown. */
export const figuresIn = (cells: readonly Cell[]): readonly Figure[] =>
  (Object.keys(figures) as Figure[]).filter((figure) =>
    cells.some((cell) => valuesOf(cell.rounds, figure).size > 0),
  );

/**
 * How many times as much one has as the other, in each round that both have: what changes on the
 * machine from round to round is not in it. Left out are rounds in which either is 0.
 */
export const ratiosOf = (one: Cell["rounds"], other: Cell["rounds"], figure: Figure): number[] => {
  const bases = valuesOf(other, figure);
  return [...valuesOf(one, figure)].flatMap(([round, value]) => {
    const base = bases.get(round);
    return value && base ? [value / base] : [];
  });
};
