// Two results of the same measurements: which differences are real, and which are noise?
import { figures, type Figure } from "../metrics.ts";
import type { Result } from "../result.ts";
import { median } from "./bootstrap.ts";
import { cellsOf, figuresIn, laneOf, paramsText, valuesOf, type Cell } from "./cells.ts";
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
   * After against before, of the geometric means, divided by what the lane's baselines and peers
   * moved by; and its interval at 99 %.
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

/** From here on it is said that the machine has changed. */
const WARN_ABOVE = 1.05;

/** Says how `compare` judges, for the foot of its table. */
export const HOW = [
  "Each figure's rounds are compared as logarithms, with Student's t, and beside those of the same",
  "lane's baselines and peers: what they moved by is the machine, and not the code. Where a lane has",
  "none, a difference has to exceed what all others moved by. A difference is called real when it",
  `survives the correction for so many comparisons (Benjamini-Hochberg, false discovery rate ${FALSE_SHARE * 100} %),`,
  "and is larger than 1 % and than what the same server differs by from itself when it runs twice",
  "within a result.",
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
  const logs = [before, after].map((values) => values.map(Math.log));
  const [from = NaN, to = NaN] = logs.map(mean);
  const freedom = before.length + after.length - 2;
  const squares = logs.flatMap((values) => values.map((value) => (value - mean(values)) ** 2));
  const variance = squares.reduce((sum, square) => sum + square, 0) / freedom;
  const error = Math.sqrt(variance * (1 / before.length + 1 / after.length));
  return { by: to - from, error, freedom };
};

/** One shift beside the mean of others: what is left of it, as Welch and Satterthwaite add errors. */
const beside = (shift: Shift, others: readonly Shift[]): Shift => {
  const parts = [
    { variance: shift.error ** 2, freedom: shift.freedom },
    ...others.map(({ error, freedom }) => ({ variance: (error / others.length) ** 2, freedom })),
  ];
  const variance = parts.reduce((sum, part) => sum + part.variance, 0);
  const weights = parts.reduce((sum, part) => sum + part.variance ** 2 / part.freedom, 0);
  return {
    by: shift.by - mean(others.map(({ by }) => by)),
    error: Math.sqrt(variance),
    freedom: weights > 0 ? Math.floor(variance ** 2 / weights) : shift.freedom,
  };
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
  const single = new Set<string>();
  const shifts: (Pick<Change, "cell" | "figure" | "before" | "after"> & { shift: Shift })[] = [];
  for (const cell of old) {
    const other = known.get(keyOf(cell));
    known.delete(keyOf(cell));
    const problem = [cell, other].map((one) => one?.problem);
    if (!other) warnings.push(`${keyOf(cell)}: only in the first result`);
    else if (problem.some(Boolean)) {
      const [a, b] = problem.map((p) => (p ? `${p.kind} (${p.reason})` : "measured"));
      if (a !== b) warnings.push(`${keyOf(cell)}: ${a}, then ${b}`);
    } else
      for (const figure of figuresIn([cell])) {
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
          const medians = { before: median(a), after: median(b) };
          shifts.push({ cell, figure, ...medians, shift: shiftOf(a, b) });
        }
      }
  }
  for (const name of single)
    warnings.push(`${name}: not compared, for one round tells nothing about noise`);
  for (const key of known.keys()) warnings.push(`${key}: only in the second result`);
  // What no change of ours can have touched shows what the machine did.
  const [ours, others] = [true, false].map((is) =>
    shifts.filter(({ cell }) => (cell.contender.kind === "tidings") === is),
  ) as [typeof shifts, typeof shifts];
  if (ours.length === 0)
    throw new RangeError("compare: the two results have no figures of a technique in common.");
  const tested = ours.map(({ shift, ...change }) => {
    const { cell, figure } = change;
    const same = others.filter((other) => other.figure === figure);
    const yardsticks = same.filter(
      (other) =>
        other.cell.scenario.name === cell.scenario.name &&
        laneOf(other.cell.contender.name) === laneOf(cell.contender.name),
    );
    if (yardsticks.length > 0)
      return {
        change,
        left: beside(
          shift,
          yardsticks.map(({ shift }) => shift),
        ),
        drift: 0,
      };
    const drift = same.length > 0 ? Math.abs(median(same.map(({ shift }) => shift.by))) : 0;
    return { change, left: shift, drift };
  });
  const real = believable(
    tested.map(({ left, drift }) => chanceOf(left, drift)),
    FALSE_SHARE,
  );
  const changes = tested.map(({ change, left, drift }, place): Change => {
    const { cell, figure } = change;
    const ratio = ratioOf(left);
    const floors = [oldNoise, nowNoise].map((noise) => floorOf(noise, cell.scenario.name, figure));
    const floor = Math.max(...floors, Math.exp(drift));
    const larger = departure(ratio.value) > floor;
    const verdict = real[place] && larger ? wordFor(figure, ratio.value) : "same";
    return { ...change, ratio, floor, verdict };
  });
  for (const figure of figuresIn(old)) {
    const moved = others.filter((other) => other.figure === figure).map(({ shift }) => shift.by);
    const ratio = Math.exp(median(moved));
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
