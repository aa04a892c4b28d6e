// Two results of the same measurements: which differences are real, and which are noise?
import { figures, type Figure } from "../metrics.ts";
import type { Result } from "../result.ts";
import { median } from "./bootstrap.ts";
import { cellsOf, figuresIn, laneOf, paramsText, valuesOf, workOf, type Cell } from "./cells.ts";
import { departure, floorOf, noiseOf } from "./noise.ts";
import { believable, beyond, critical } from "./student.ts";

export type Verdict = "slower" | "quicker" | "heavier" | "lighter" | "same";

/** One figure of one contender's work, in both results. */
export interface Change {
  readonly cell: Cell;
  readonly figure: Figure;
  /** The medians over the rounds. */
  readonly before: number;
  readonly after: number;
  /**
   * After against before, of the geometric means, divided by what the baselines and peers moved by;
   * and its interval at 99 %.
   */
  readonly ratio: { readonly value: number; readonly low: number; readonly high: number };
  /** The ratio up to which this figure differs by itself. */
  readonly floor: number;
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly before: Result;
  readonly after: Result;
  readonly changes: readonly Change[];
  /** What cannot be compared, and why; and what makes the rest doubtful. */
  readonly warnings: readonly string[];
}

/** Of the differences that are called real, no more than this share is expected to be chance. */
const FALSE_SHARE = 0.05;
/** How sure each change's interval is meant to be. */
const INTERVAL = 0.99;

/**
 * What depends on how fast the machine is, in all lanes alike. Times and sizes depend on how a lane
 * works, so only its own baselines and peers say what moves them.
 */
const SHARED: ReadonlySet<Figure> = new Set([
  "serverCpuUsPerDelivery",
  "serverCpuUsPerSubscriberSecond",
]);

/** From here on it is said that the machine has changed. */
const WARN_ABOVE = 1.05;

/** Says how `compare` judges, for the foot of its table. */
export const HOW = [
  "Each round's figure is held against what the baselines and peers took in the same round: of CPU all",
  "of them, of other figures those of the same lane. What they share is the machine, and not the code.",
  "The logarithms of that are compared with Student's t. Where there is nothing to hold it against, a",
  "difference has to exceed what baselines and peers moved by in other scenarios. A difference",
  "is called real when it survives the correction for so many comparisons (Benjamini-Hochberg, false",
  `discovery rate ${FALSE_SHARE * 100} %), and is larger than 1 % and than what the same server differs by from itself`,
  "when it runs twice within a result.",
].join(" ");

const keyOf = ({ scenario, contender, params }: Cell): string =>
  [scenario.name, contender.name, paramsText(params)].join(" / ");

const wordFor = (figure: Figure, ratio: number): Verdict => {
  const { better, unit } = figures[figure];
  const worse = better === "lower" ? ratio > 1 : ratio < 1;
  return unit === "B" || unit === ""
    ? worse
      ? "heavier"
      : "lighter"
    : worse
      ? "slower"
      : "quicker";
};

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** By how much the logarithms differ, and how sure that is. */
interface Shift {
  readonly by: number;
  /** Its standard error. */
  readonly error: number;
  /** Degrees of freedom. */
  readonly freedom: number;
}

const shiftOf = (before: readonly number[], after: readonly number[]): Shift => {
  const logs = [before, after];
  const [from = NaN, to = NaN] = logs.map(mean);
  const freedom = before.length + after.length - 2;
  const squares = logs.flatMap((values) => values.map((value) => (value - mean(values)) ** 2));
  const variance = squares.reduce((sum, square) => sum + square, 0) / freedom;
  const error = Math.sqrt(variance * (1 / before.length + 1 / after.length));
  return { by: to - from, error, freedom };
};

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
/** How likely this shift, or more, were by chance if it truly were no larger than `floor`. */
const chanceOf = ({ by, error, freedom }: Shift, floor: number): number => {
  const left = Math.abs(by) - floor;
  return left > 0 ? beyond(left / error, freedom) : 1;
};

const ratioOf = ({ by, error, freedom }: Shift): Change["ratio"] => {
  const reach = error * critical(1 - INTERVAL, freedom);
  return { value: Math.exp(by), low: Math.exp(by - reach), high: Math.exp(by + reach) };
};

const conditionsThatDiffer = (before: Result, after: Result): readonly string[] => {
  const facts = ({ conditions, method }: Result) =>
    new Map<string, string | number | undefined>([
      ["CPU", conditions.cpu],
      ["cores", conditions.cores],
      ["memory", conditions.memoryBytes],
      ["pinned cores", JSON.stringify(conditions.pinned)],
      ...Object.entries(conditions.versions),
      ["warm-up in ms", method.warmUpMs],
      ["measuring in ms", method.measureMs],
    ]);
  const [old, now] = [facts(before), facts(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((name) => old.get(name) !== now.get(name))
    .map((name) => `${name} differs: ${old.get(name) ?? "none"}, then ${now.get(name) ?? "none"}`);
};

/** The same work of the same contender, in both results. */
interface Pair {
  readonly old: Cell;
  readonly now: Cell;
}

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

/**
 * Holds `after` against `before`. Throws a RangeError when they have no technique in common. Results of
 * different machines, versions or lengths are compared all the same, with a warning for each
 * condition that differs.
 */
export const compare = (before: Result, after: Result): Comparison => {
  const warnings = [...conditionsThatDiffer(before, after)];
  const [old, now] = [cellsOf(before), cellsOf(after)];
  const [oldNoise, nowNoise] = [noiseOf(old), noiseOf(now)];
  const known = new Map(now.map((cell) => [keyOf(cell), cell]));
  const pairs: Pair[] = [];
  for (const cell of old) {
    const other = known.get(keyOf(cell));
    known.delete(keyOf(cell));
    const problem = [cell, other].map((one) => one?.problem);
    if (!other) warnings.push(`${keyOf(cell)}: only in the first result`);
    else if (problem.some(Boolean)) {
      const [a, b] = problem.map((p) => (p ? `${p.kind} (${p.reason})` : "measured"));
      if (a !== b) warnings.push(`${keyOf(cell)}: ${a}, then ${b}`);
    } else pairs.push({ old: cell, now: other });
  }
  const isOurs = ({ old }: Pair) => old.contender.kind === "tidings";
  // What no change of ours can have touched shows what the machine did.
  const [ours, others] = [pairs.filter(isOurs), pairs.filter((pair) => !isOurs(pair))];
  const movesOf = (figure: Figure) =>
    others
      .map((pair) => sidesOf(pair, figure).map((logs) => mean([...logs.values()])))
      .map(([from = NaN, to = NaN]) => to - from)
      .filter(Number.isFinite);

  const single = new Set<string>();
  const tested: (Pick<Change, "cell" | "figure" | "before" | "after"> & {
    readonly shift: Shift;
    readonly drift: number;
  })[] = [];
  for (const pair of ours)
    for (const figure of figuresIn([pair.old])) {
      const { old: cell, now: other } = pair;
      const [a, b] = [cell, other].map(({ rounds }) => [...valuesOf(rounds, figure).values()]);
      if (!a || !b || figures[figure].better === "neither") continue;
      // Nothing has no logarithm: zeros are compared as they are.
      const zero = [...a, ...b].some((value) => value === 0);
      if (zero && median(a) === median(b)) continue;
      if (a.length < 2 || b.length < 2) single.add(cell.scenario.name);
      else if (zero) {
        const [from, to] = [median(a), median(b)].map((value) => value.toPrecision(3));
        warnings.push(`${keyOf(cell)}: ${figures[figure].title}: ${from}, then ${to}`);
      } else {
        // One that lacks a round would shift the mean of all by what it is away from it.
        const yardsticks = others.filter(
          (yardstick) =>
            yardstick.old.scenario.name === cell.scenario.name &&
            (SHARED.has(figure) ||
              laneOf(yardstick.old.contender.name) === laneOf(cell.contender.name)) &&
            workOf(yardstick.old) === workOf(cell) &&
            besides(pair, [yardstick], figure).flat().every(Number.isFinite),
        );
        const alone = yardsticks.length === 0;
        const [from = [], to = []] = alone
          ? sidesOf(pair, figure).map((logs) => [...logs.values()])
          : besides(pair, yardsticks, figure);
        const moves = alone ? movesOf(figure) : [];
        const drift = moves.length > 0 ? Math.abs(median(moves)) : 0;
        const medians = { before: median(a), after: median(b) };
        tested.push({ cell, figure, ...medians, shift: shiftOf(from, to), drift });
      }
    }
  for (const name of single)
    warnings.push(`${name}: not compared, for one round tells nothing about noise`);
  for (const key of known.keys()) warnings.push(`${key}: only in the second result`);
  if (tested.length === 0)
    throw new RangeError("compare: the two results have no figures of a technique in common.");

  const real = believable(
    tested.map(({ shift, drift }) => chanceOf(shift, drift)),
    FALSE_SHARE,
  );
  const changes = tested.map(({ shift, drift, ...change }, place): Change => {
    const { cell, figure } = change;
    const ratio = ratioOf(shift);
    const floors = [oldNoise, nowNoise].map((noise) => floorOf(noise, cell.scenario.name, figure));
    const floor = Math.max(...floors, Math.exp(drift));
    const larger = departure(ratio.value) > floor;
    const verdict = real[place] && larger ? wordFor(figure, ratio.value) : "same";
    return { ...change, ratio, floor, verdict };
  });
  for (const figure of figuresIn(old)) {
    const ratio = Math.exp(median(movesOf(figure)));
    if (departure(ratio) > WARN_ABOVE)
      warnings.push(
        `the machine has changed: baselines and peers have ${ratio.toFixed(2)} × as much ${figures[figure].title}`,
      );
  }
  if (others.length === 0)
    warnings.push(
      "no baseline in both: what the machine did cannot be told from what the code did",
    );
  return { before, after, changes, warnings };
};
