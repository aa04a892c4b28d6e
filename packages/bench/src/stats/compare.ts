// Two results of the same measurements: which differences are real, and which are noise?
import { figures, type Figure } from "../metrics.ts";
import type { Result } from "../result.ts";
import { median } from "./bootstrap.ts";
import {
  cellsOf,
  differingParams,
  figuresIn,
  hasBounds,
  isPartial,
  paramsText,
  valuesOf,
  type Cell,
} from "./cells.ts";
import { atOnePace, COST, isServerCpu } from "./core.ts";
import { departure, floorBetween, noiseOf, ranTwice, type Noise } from "./noise.ts";
import {
  chanceOf,
  isOfMachine,
  movesOf,
  ratioOf,
  shiftOf,
  type Pair,
  type Shift,
} from "./shift.ts";
import { believable } from "./student.ts";

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
  /**
   * Differences between techniques that have no ratio: what fails in one result only, is in one
   * only, or is 0 in one only.
   */
  readonly breaks: readonly string[];
  /** What cannot be compared, and why; and what makes the rest doubtful. */
  readonly warnings: readonly string[];
}

/**
 * Of the differences that are called real, no more than these shares are expected to be chance. What a
 * delivery costs, of those that ran twice in each round, is the first question: the many other figures
 * shall not drown it.
 */
const FALSE_SHARE = { first: 0.05, others: 0.025 };
/** How sure each change's interval is meant to be. */
const INTERVAL = 0.99;
/** From here on it is said that the machine has changed. */
const WARN_ABOVE = 1.05;
/** And from here on that techniques have moved together where no baseline says why. */
const WARN_TOGETHER = 1.5;

/** Says how `compare` judges, for the foot of its table. */
export const HOW = [
  "CPU is taken as it would be at one pace of the server's core, where each run has looked at that: by",
  "which power of the pace it goes is learnt from all runs of a lane.",
  "Each round's figure is held against what the baselines and peers took more or less than usual in the",
  "same round, of many without the lowest and the highest quarter: of CPU per delivery half the one of the",
  "same lane and half all of them, of times those of the same lane, of the highest rate and of what is no",
  "time none. What they share is the machine, and not the code. A time has to differ by more than those of",
  "its lane have moved by between the results, for a single server moves by itself as well.",
  "The logarithms of that are compared with Student's t. Where there is nothing to hold it against, a",
  "difference has to exceed what baselines and peers moved by in other scenarios, and a time",
  "what the other techniques moved by in the same one, and CPU half as much again. A difference",
  "is called real when it survives the correction for so many comparisons (Benjamini-Hochberg, false",
  `discovery rate ${FALSE_SHARE.first * 100} % for CPU per delivery of those that ran twice in each round and ${FALSE_SHARE.others * 100} % for all else), and is larger than 1 % (a highest rate: than a third, which is a step; CPU: than an eighth). Where a technique`,
  "did not run twice in each round, it has to be larger than what those that did differ by from themselves, at the most, and CPU than half as much again.",
  "What a technique fails at, lacks or has as 0 in one result only has no ratio, and is called changed.",
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

/** What the others lack, as shortly as can be: a scenario, a contender, or that one in this one. */
const missingIn = (others: readonly Cell[], lone: readonly Cell[]): readonly string[] => {
  const namesOf = (cell: Cell) => [cell.scenario.name, cell.contender.name];
  const known = new Set(others.flatMap(namesOf));
  const missing = lone.map((cell) => {
    const names = namesOf(cell);
    return names.find((name) => !known.has(name)) ?? names.join(" / ");
  });
  return [...new Set(missing)];
};

const isSameRow = (one: Cell, other: Cell) =>
  one.scenario.name === other.scenario.name && one.contender.name === other.contender.name;

const isSameWork = (one: Cell, other: Cell) =>
  isSameRow(one, other) && differingParams(one, other).length === 0;

/** How the same was asked in another way, such as `fan-out: subscribers 100, then 50`. */
const otherWorkIn = (rivals: readonly Pair[]): readonly string[] =>
  [...Map.groupBy(rivals, ({ old }) => old.scenario.name)].map(([scenario, own]) => {
    const names = new Set(own.flatMap(({ old, now }) => differingParams(old, now)));
    const differences = [...names].flatMap((name) => {
      const values = (["old", "now"] as const).map((side) =>
        own.map((pair) => pair[side].params[name]?.toLocaleString("en") ?? "none"),
      );
      const [from, to] = values.map((all) => [...new Set(all)].join(", "));
      return from === to ? [] : [`${name} ${from}, then ${to}`];
    });
    return `${scenario}: ${differences.join("; ")}`;
  });

const isOurs = ({ contender }: Cell) => contender.kind === "tidings";

const stateOf = ({ problem }: Cell) =>
  problem ? `${problem.kind} (${problem.reason})` : "measured";

/** What two results have found out beside figures that can be tested. */
interface Remarks {
  /** Breaks, too: what only one of them has. */
  readonly absences: string[];
  readonly breaks: string[];
  readonly warnings: string[];
}

/** The same work in both results, as far as it was measured in both. */
const pairsOf = (
  old: readonly Cell[],
  now: readonly Cell[],
  { absences, breaks, warnings }: Remarks,
): readonly Pair[] => {
  const without = (cells: readonly Cell[], others: readonly Cell[]) =>
    cells.filter((cell) => !others.some((other) => isSameWork(cell, other)));
  const [oldOnly, nowOnly] = [without(old, now), without(now, old)];
  // Who was asked for less has no work of its own: any of the row is what it did instead.
  const instead = (cell: Cell, lone: readonly Cell[], all: readonly Cell[]) => {
    const [rivals = [], row = []] = [lone, all].map((c) => c.filter((one) => isSameRow(one, cell)));
    return rivals.length > 0 ? rivals : row;
  };
  const rivals = [
    ...oldOnly.flatMap((cell) =>
      instead(cell, nowOnly, now).map((one) => ({ old: cell, now: one })),
    ),
    ...nowOnly.flatMap((cell) =>
      instead(cell, oldOnly, old).map((one) => ({ old: one, now: cell })),
    ),
  ];
  warnings.push(...otherWorkIn(rivals).map((text) => `not the same work in ${text}`));
  const known = new Set(rivals.flatMap((pair) => [pair.old, pair.now]));
  const sides = [
    { lone: oldOnly, others: now, where: "only in the first result" },
    { lone: nowOnly, others: old, where: "only in the second result" },
  ];
  for (const { lone, others, where } of sides) {
    const cells = lone.filter((cell) => !known.has(cell));
    absences.push(...missingIn(others, cells.filter(isOurs)).map((name) => `${name}: ${where}`));
    const rest = cells.filter((cell) => !isOurs(cell));
    const names = new Set(rest.map(({ contender }) => contender.name));
    if (names.size > 0)
      warnings.push(`baselines and peers with work that is ${where}: ${[...names].join(", ")}`);
  }
  return old.flatMap((cell): Pair[] => {
    const other = now.find((one) => isSameWork(cell, one));
    if (!other) return [];
    const kinds = [cell, other].map(({ problem }) => problem?.kind);
    const states = [cell, other].map(stateOf);
    if (kinds.every((kind) => kind === undefined)) return [{ old: cell, now: other }];
    if (states[0] !== states[1]) {
      // Where the load generator was the bottleneck, nobody knows what the server would have done.
      const isBreak = isOurs(cell) && kinds[0] !== kinds[1] && !kinds.includes("invalid");
      (isBreak ? breaks : warnings).push(`${keyOf(cell)}: ${states.join(", then ")}`);
    }
    return [];
  });
};

interface Tested extends Pick<Change, "cell" | "figure" | "before" | "after"> {
  readonly shift: Shift;
}

/** The figures of our own that noise can be told from, and what `shift` finds them to have moved by. */
const testedIn = (
  pairs: readonly Pair[],
  shift: (pair: Pair, figure: Figure) => Shift,
  { absences, breaks, warnings }: Remarks,
): readonly Tested[] => {
  const single = new Set<string>();
  const ours = pairs.filter(({ old }) => isOurs(old));
  const tested = ours.flatMap((pair) =>
    figuresIn([pair.old, pair.now]).flatMap((figure): Tested[] => {
      const { old: cell, now: other } = pair;
      const sides = [cell, other].map(({ rounds }) => [...valuesOf(rounds, figure).values()]);
      // Nothing has no logarithm: zeros are compared as they are.
      const zeros = sides.map((values) => values.filter((value) => value === 0).length);
      const [from = NaN, to = NaN] = sides.map(median);
      if (figures[figure].better === "neither" || (from === 0 && to === 0)) return [];
      const what = `${keyOf(cell)}: ${figures[figure].title}`;
      const shown = `${what}: ${[from, to].map((value) => value.toPrecision(3)).join(", then ")}`;
      if (sides.some(({ length }) => length === 0))
        warnings.push(`${what}: not compared, for only one of them has it`);
      else if (isPartial(cell, figure) || isPartial(other, figure))
        warnings.push(`${what}: not compared, for some of the rounds lack it`);
      else if (sides.some(({ length }) => length === 1)) single.add(cell.scenario.name);
      else if (hasBounds(cell, figure) || hasBounds(other, figure))
        warnings.push(`${what}: not compared, for only a lower bound is known`);
      else if (zeros.some((count) => count > 0)) {
        // In a short look nothing may be seen of a server that does little.
        const isBreak =
          !isServerCpu(figure) &&
          sides.every(({ length }, side) => [0, length].includes(zeros[side] ?? NaN));
        (isBreak ? breaks : warnings).push(shown);
      } else return [{ cell, figure, before: from, after: to, shift: shift(pair, figure) }];
      return [];
    }),
  );
  // What works in one of them only is told however little else can be.
  if (tested.length === 0 && breaks.length === 0) {
    const reasons = [...warnings, ...absences].join("; ");
    const why =
      single.size > 0
        ? "one round tells nothing about noise; measure both with --rounds 5"
        : "no figure of a technique is measured in both";
    throw new RangeError(`compare: ${why}${reasons && ` (${reasons})`}.`);
  }
  for (const name of single)
    warnings.push(`${name}: not compared, for one round tells nothing about noise`);
  return tested;
};

/** Which of them are real: more than chance, and more than a contender differs by from itself. */
const judged = (
  tested: readonly Tested[],
  noises: readonly (readonly Noise[])[],
): readonly Change[] =>
  ([true, false] as const).flatMap((isFirst) => {
    const family = tested.filter(
      ({ cell, figure }) =>
        isFirst === (figure === COST && noises.every((noise) => ranTwice(noise, cell, figure))),
    );
    const sized = family.map(({ shift, ...change }) => {
      const { cell, figure } = change;
      const ratio = ratioOf(shift, INTERVAL);
      const floors = noises.map((noise) => floorBetween(noise, cell, figure));
      const floor = Math.max(...floors, Math.exp(shift.drift));
      // What is too small to matter is none of the differences among which some may be chance.
      const chance = departure(ratio.value) > floor ? chanceOf(shift) : 1;
      return { ...change, ratio, floor, chance };
    });
    const chances = sized.map(({ chance }) => chance);
    const real = believable(chances, isFirst ? FALSE_SHARE.first : FALSE_SHARE.others);
    return sized.map(({ chance: _, ...change }, place): Change => {
      const verdict = real[place] ? wordFor(change.figure, change.ratio.value) : "same";
      return { ...change, verdict };
    });
  });

/**
 * Holds `after` against `before`. Throws a RangeError when there is nothing to compare. Results of
 * different machines, versions or lengths are compared all the same, with a warning for each
 * condition that differs.
 */
export const compare = (before: Result, after: Result): Comparison => {
  const [old, now] = [cellsOf(before), cellsOf(after)];
  const absences: string[] = [];
  const breaks: string[] = [];
  const warnings: string[] = [];
  const remarks = { absences, breaks, warnings };
  const pairs = pairsOf(old, now, remarks);
  // What no change of ours can have touched shows what the machine did.
  const untouched = before.conditions.yardsticks === after.conditions.yardsticks;
  const others = untouched ? pairs.filter(({ old }) => !isOurs(old)) : [];
  // The paces of two kinds of work are no two paces.
  const evened = atOnePace(untouched ? [...old, ...now] : []);
  const even = (cell: Cell) => evened.get(cell) ?? cell;
  const evenPair = ({ old, now }: Pair): Pair => ({ old: even(old), now: even(now) });
  const evenOthers = others.map(evenPair);
  const rivals = pairs.filter(({ old }) => isOurs(old)).map(evenPair);
  const shift = (pair: Pair, figure: Figure) => shiftOf(evenPair(pair), figure, evenOthers, rivals);
  const noises = [old, now].map((cells) => noiseOf(cells.map(even)));
  const changes = judged(testedIn(pairs, shift, remarks), noises);
  for (const figure of figuresIn(old)) {
    const ratio = Math.exp(median(movesOf(others, figure)));
    if (departure(ratio) > WARN_ABOVE)
      warnings.push(
        `the machine has changed: baselines and peers have ${ratio.toFixed(2)} × as much ${figures[figure].title}`,
      );
  }
  for (const [scenario, own] of Map.groupBy(rivals, ({ old }) => old.scenario.name))
    if (!others.some(({ old }) => old.scenario.name === scenario))
      for (const figure of figuresIn(own.map(({ old }) => old)).filter(isOfMachine)) {
        const ratio = Math.exp(median(movesOf(own, figure)));
        if (departure(ratio) > WARN_TOGETHER)
          warnings.push(
            `${scenario}: the techniques have ${ratio.toFixed(2)} × as much ${figures[figure].title} together: the machine, or what they share`,
          );
      }
  if (others.length === 0) {
    const why = untouched
      ? "no baseline in both"
      : "the sources of baselines, peers or the probe differ";
    warnings.push(`${why}: what the machine did cannot be told from what the code did`);
  }
  warnings.unshift(...conditionsThatDiffer(before, after));
  return { before, after, changes, breaks: [...absences, ...breaks], warnings };
};
