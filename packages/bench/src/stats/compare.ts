// Two results of the same measurements: which differences are real, and which are noise?
import { figures, type Figure } from "../metrics.ts";
import type { Result } from "../result.ts";
import { median } from "./bootstrap.ts";
import { cellsOf, figuresIn, paramsText, valuesOf, type Cell } from "./cells.ts";
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
  /** After against before, of the geometric means, and its interval at 99 %. */
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
export const FALSE_SHARE = 0.05;
/** How sure each change's interval is meant to be. */
export const INTERVAL = 0.99;

/** From here on it is said that the machine has changed. */
const WARN_ABOVE = 1.03;

const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(0)} %`;

/** Says how `compare` judges, for the foot of its table. */
export const HOW = [
  "Each figure's rounds are compared as logarithms, with Student's t. A difference is called real",
  "when it exceeds what baselines and peers have moved by, survives the correction for so many",
  `comparisons (Benjamini-Hochberg, false discovery rate ${FALSE_SHARE * 100} %), and is larger than 1 %`,
  "and than what the same server differs by from itself when it runs twice within a result.",
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

/** Student's t over the logarithms: what the ratio is, and how sure that is. */
const test = (before: readonly number[], after: readonly number[]) => {
  const logs = [before, after].map((values) => values.map(Math.log));
  const [from = NaN, to = NaN] = logs.map(mean);
  const freedom = before.length + after.length - 2;
  const squares = logs.flatMap((values) => values.map((value) => (value - mean(values)) ** 2));
  const variance = squares.reduce((sum, square) => sum + square, 0) / freedom;
  const error = Math.sqrt(variance * (1 / before.length + 1 / after.length));
  const difference = to - from;
  const reach = error * critical(1 - INTERVAL, freedom);
  return {
    ratio: {
      value: Math.exp(difference),
      low: Math.exp(difference - reach),
      high: Math.exp(difference + reach),
    },
    /** How likely this, or more, were by chance if it truly were no further from 1 than `floor`. */
    chanceBeyond: (floor: number) => {
      const left = Math.abs(difference) - Math.log(floor);
      return left > 0 ? beyond(left / error, freedom) : 1;
    },
  };
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
 * Holds `after` against `before`. Throws a RangeError when they have no work in common. Results of
 * different machines, versions or lengths are compared all the same, with a warning for each
 * condition that differs.
 */
export const compare = (before: Result, after: Result): Comparison => {
  const warnings = [...conditionsThatDiffer(before, after)];
  const [old, now] = [cellsOf(before), cellsOf(after)];
  const [oldNoise, nowNoise] = [noiseOf(old), noiseOf(now)];
  const known = new Map(now.map((cell) => [keyOf(cell), cell]));
  const single = new Set<string>();
  const tested: (Omit<Change, "floor" | "verdict"> & {
    chanceBeyond: (floor: number) => number;
  })[] = [];
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
        } else tested.push({ cell, figure, before: median(a), after: median(b), ...test(a, b) });
      }
  }
  for (const name of single)
    warnings.push(`${name}: not compared, for one round tells nothing about noise`);
  for (const key of known.keys()) warnings.push(`${key}: only in the second result`);
  if (tested.length === 0) throw new RangeError("compare: the two results have nothing in common.");

  /** What no change of ours can have touched moved by so much. */
  const moved = (figure: Figure): number => {
    const others = tested.filter(
      (one) => one.figure === figure && one.cell.contender.kind !== "tidings",
    );
    return others.length > 0 ? departure(median(others.map(({ ratio }) => ratio.value))) : 1;
  };
  const drift = new Map(figuresIn(old).map((figure) => [figure, moved(figure)]));
  for (const [figure, ratio] of drift)
    if (ratio > WARN_ABOVE)
      warnings.push(
        `the machine has changed: baselines and peers moved by ${percent(ratio)} in ${figures[figure].title}`,
      );
  const real = believable(
    tested.map(({ figure, chanceBeyond }) => chanceBeyond(drift.get(figure) ?? 1)),
    FALSE_SHARE,
  );
  const changes = tested.map(({ chanceBeyond: _, ...change }, place): Change => {
    const { cell, figure, ratio } = change;
    const floor = Math.max(
      ...[oldNoise, nowNoise].map((noise) => floorOf(noise, cell.scenario.name, figure)),
      drift.get(figure) ?? 1,
    );
    const larger = departure(ratio.value) > floor;
    return {
      ...change,
      floor,
      verdict: real[place] && larger ? wordFor(figure, ratio.value) : "same",
    };
  });
  return { before, after, changes, warnings };
};
