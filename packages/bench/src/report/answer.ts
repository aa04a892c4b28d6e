// Which one when: read from the frontier, where every technique does the same work at several rates
// of events, and a poller at several intervals.
import type { Figure } from "../metrics.ts";
import type { Result } from "../result.ts";
import { COST } from "../stats/core.ts";
import { cellsOf, medianOf, type Cell } from "../stats/cells.ts";
import { differenceOf, noiseOf, type Noise } from "../stats/noise.ts";
import { digits, showRange, withUnit } from "./words.ts";

/** A technique as one would set it up. */
export interface Option {
  readonly cell: Cell;
  /** Such as `Short polling every 300 ms`. */
  readonly label: string;
  /** Events per second. */
  readonly rate: number;
  readonly costUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const labelOf = ({ contender, params: { pollMs } }: Cell): string =>
  pollMs === undefined ? contender.title : `${contender.title} every ${withUnit(pollMs, "ms")}`;

/** What the frontier knows of the techniques, or of all others; empty when it was not played. */
export const optionsOf = (result: Result, ours = true): readonly Option[] =>
  cellsOf(result).flatMap((cell) => {
    const { rate } = cell.params;
    const asked = (cell.contender.kind === "tidings") === ours;
    if (cell.scenario.name !== "frontier" || !asked || rate === undefined) return [];
    const [costUs, p50Us, p99Us] = ([COST, "stalenessP50Us", "stalenessP99Us"] as const).map(
      (figure) => medianOf(cell, figure),
    );
    if (costUs === undefined || p50Us === undefined || p99Us === undefined) return [];
    return [{ cell, label: labelOf(cell), rate, costUs, p50Us, p99Us }];
  });

/** The cheapest of all whose p99 keeps a bound at a rate, first; then those that tie with it. */
export interface Choice {
  readonly rate: number;
  readonly boundUs: number;
  readonly best: readonly Option[];
}

// How old an event may be when it arrives, from "as soon as can be" to "a poll will do".
const BOUNDS_US = [20_000, 100_000, 500_000, 2_000_000, 10_000_000];

const cheapest = (
  options: readonly Option[],
  rate: number,
  boundUs: number,
  noise: readonly Noise[],
): Choice => {
  const [best, ...others] = options
    .filter((option) => option.rate === rate && option.p99Us <= boundUs)
    .toSorted((a, b) => a.costUs - b.costUs);
  if (!best) return { rate, boundUs, best: [] };
  // Where nobody can say, they tie as well.
  const tied = others.filter(({ cell }) => differenceOf(cell, best.cell, COST, noise)?.tie ?? true);
  return { rate, boundUs, best: [best, ...tied] };
};

/** The rate from which on one option costs less than another: between two rates that were played. */
export interface Overtaking {
  readonly one: Option;
  readonly other: Option;
  /** Events per second: between the rates on either side, interpolated in the logarithms. */
  readonly rate: number;
  readonly costUs: number;
}

export interface Answer {
  readonly options: readonly Option[];
  readonly rates: readonly number[];
  /** Bounds of the p99 that make a difference, in microseconds. */
  readonly boundsUs: readonly number[];
  readonly choices: readonly Choice[];
  readonly overtakings: readonly Overtaking[];
  /** The same in words. */
  readonly sentences: readonly string[];
}

const labelsOf = (choices: readonly Choice[]) =>
  choices.map(({ best }) => best.map(({ label }) => label).sort());

const sameChoices = (a: readonly Choice[], b: readonly Choice[]) =>
  Bun.deepEquals(labelsOf(a), labelsOf(b));

/** Where the costs of two options cross between two rates at which they differ, given both at either. */
const crossing = (
  [one, other]: readonly [Option, Option],
  [oneNext, otherNext]: readonly [Option, Option],
): Overtaking => {
  const before = Math.log(other.costUs / one.costUs);
  const after = Math.log(otherNext.costUs / oneNext.costUs);
  const way = before / (before - after);
  const between = (from: number, to: number) => from * (to / from) ** way;
  return {
    one,
    other,
    rate: between(one.rate, oneNext.rate),
    costUs: between(one.costUs, oneNext.costUs),
  };
};

const overtakingsOf = (options: readonly Option[], noise: readonly Noise[]): Overtaking[] => {
  const all = Map.groupBy(options, ({ label }) => label);
  return [...all.values()].flatMap((ones) =>
    [...all.values()].flatMap((others) => {
      // A poller that asks at another interval is no other technique.
      if (ones[0]?.cell.contender === others[0]?.cell.contender) return [];
      const both = ones
        .toSorted((a, b) => a.rate - b.rate)
        .flatMap((one): [Option, Option][] => {
          const other = others.find(({ rate }) => rate === one.rate);
          return other ? [[one, other]] : [];
        });
      // Where they cannot be told apart, neither is ahead.
      const apart = both.filter(
        ([one, other]) => differenceOf(one.cell, other.cell, COST, noise)?.tie === false,
      );
      const leads = ([one, other]: readonly [Option, Option]) => one.costUs < other.costUs;
      const turn = apart.findIndex(leads);
      const [before, after] = [apart[turn - 1], apart[turn]];
      // Who is overtaken in turn has not been overtaken by more than noise.
      if (!before || !after || !apart.slice(turn).every(leads)) return [];
      return [crossing(before, after)];
    }),
  );
};

// Half the age is worth a word.
const FRESHER = 2;

const listOf = (names: readonly string[]) =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

const perSecond = (rate: number) => `${digits(rate)} event${rate === 1 ? "" : "s"}/s`;

const rangeOf = (figure: Figure, options: readonly Option[], value: "costUs" | "p50Us"): string => {
  const values = options.map((option) => option[value]);
  return showRange(figure, Math.min(...values), Math.max(...values));
};

/** What is much fresher than the cheapest at each of their rates, if anything is. */
const fresherThan = (cheap: readonly Choice[], options: readonly Option[]): readonly string[] => {
  const fresh = cheap.map(({ rate, best }) =>
    options
      .filter((option) => option.rate === rate)
      .filter(({ p50Us }) => best.every((one) => p50Us < one.p50Us / FRESHER)),
  );
  const always = (fresh[0] ?? []).filter(({ label }) =>
    fresh.every((some) => some.some((option) => option.label === label)),
  );
  // What is nearly as fresh as the freshest may be much cheaper.
  const youngestUs = Math.min(...always.map(({ p50Us }) => p50Us));
  const [first] = always
    .filter(({ p50Us }) => p50Us < youngestUs * FRESHER)
    .toSorted((a, b) => a.costUs - b.costUs);
  if (!first) return [];
  const all = fresh.flat().filter(({ label }) => label === first.label);
  const ages = rangeOf("stalenessP50Us", all, "p50Us");
  const prices = all.map(({ costUs }, place) => costUs / (cheap[place]?.best[0]?.costUs ?? NaN));
  const ends = new Set([Math.min(...prices), Math.max(...prices)].map(digits));
  return [`Fresher is ${first.label} (${ages}), for ${[...ends].join(" – ")} × that cost.`];
};

const sentencesOf = (
  { options, rates, overtakings }: Omit<Answer, "sentences">,
  noise: readonly Noise[],
): readonly string[] => {
  const sentences: string[] = [];
  const cheap = rates.map((rate) => cheapest(options, rate, Infinity, noise));
  while (cheap.length > 0) {
    const [first] = cheap;
    const others = cheap.findIndex((choice) => first && !sameChoices([first], [choice]));
    const same = cheap.splice(0, others < 0 ? cheap.length : others);
    const [from, to] = [same[0], same.at(-1)];
    const best = from?.best[0];
    if (!from || !to || !best) continue;
    const where =
      from === to
        ? `At ${perSecond(from.rate)}`
        : `From ${digits(from.rate)} to ${perSecond(to.rate)}`;
    const who = listOf(from.best.map(({ label }) => label));
    const what =
      from.best.length > 1
        ? `the cheapest are ${who}, which cannot be told apart`
        : `the cheapest is ${who}`;
    // Figures differ from one rate to the next, and from one that ties to the other.
    const all = same.flatMap(({ best }) => best);
    const figures = `${rangeOf(COST, all, "costUs")} of server CPU per delivery, half of the events younger than ${rangeOf("stalenessP50Us", all, "p50Us")}`;
    const fresher = fresherThan(same, options);
    sentences.push([`${where}, ${what}: ${figures}.`, ...fresher].join(" "));
  }
  for (const [one, found] of Map.groupBy(overtakings, ({ one }) => one.label)) {
    const others = found.map(
      ({ other, rate }) => `than ${other.label} from about ${perSecond(rate)} on`,
    );
    sentences.push(`${one} is cheaper ${listOf(others)}.`);
  }
  return sentences;
};

/** What to choose, and from when on; `undefined` when the frontier has nothing to say. */
export const answerOf = (result: Result): Answer | undefined => {
  const noise = noiseOf(cellsOf(result));
  const options = optionsOf(result);
  const rates = [...new Set(options.map(({ rate }) => rate))].sort((a, b) => a - b);
  if (rates.length === 0) return undefined;
  const columns = BOUNDS_US.map((boundUs) =>
    rates.map((rate) => cheapest(options, rate, boundUs, noise)),
  );
  // A bound that nobody keeps, or that changes nothing, is no question.
  const telling = columns.filter(
    (column, place) =>
      column.some(({ best }) => best.length > 0) &&
      !(columns[place - 1] && sameChoices(column, columns[place - 1] ?? [])),
  );
  const answer = {
    options,
    rates,
    boundsUs: telling.map(([first]) => first?.boundUs ?? NaN),
    choices: telling.flat(),
    overtakings: overtakingsOf(options, noise),
  };
  return { ...answer, sentences: sentencesOf(answer, noise) };
};
