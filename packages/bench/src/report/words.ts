// How figures are written, wherever they are shown.
import { figures, type Figure } from "../metrics.ts";
import type { Outcome, Result } from "../result.ts";
import { ENOUGH_ROUNDS, type Estimate } from "../stats/bootstrap.ts";
import { hasBounds, isAtLeast, paramsText, type Cell } from "../stats/cells.ts";

/** Three digits: 0.0123, 1.23, 12.3, 123, 1,230. */
export const digits = (value: number): string =>
  value.toLocaleString("en", { maximumSignificantDigits: 3 });

const STEPS = {
  µs: [
    [1, "µs"],
    [1_000, "ms"],
    [1_000_000, "s"],
  ],
  B: [
    [1, "B"],
    [1_000, "kB"],
    [1_000_000, "MB"],
  ],
} as const;

/** A value with the unit that suits its size: `730 µs`, `1.2 ms`. */
export const withUnit = (value: number, unit: string): string => {
  if (unit === "ms") return withUnit(value * 1_000, "µs");
  if (unit !== "µs" && unit !== "B")
    return `${digits(value)}${unit && !unit.startsWith("/") ? ` ${unit}` : unit}`;
  // What rounds to a thousand of one unit is one of the next.
  const steps = STEPS[unit];
  const [size, name] = steps.findLast(([size]) => Math.abs(value) >= size * 0.9995) ?? steps[0];
  return `${digits(value / size)} ${name}`;
};

export const showFigure = (figure: Figure, value: number): string =>
  withUnit(value, figures[figure].unit);

/** A cell's figure, as an exact one or as a lower bound: `8,190/s`, `≥8,190/s`. */
export const showIn = (cell: Cell | undefined, figure: Figure, value: number): string =>
  `${cell && isAtLeast(cell, figure) ? "≥" : ""}${showFigure(figure, value)}`;

/** What lies between two values, with the unit once where it is the same: `727 – 887 µs`. */
export const showRange = (figure: Figure, low: number, high: number): string => {
  const [from = "", to = ""] = [low, high].map((value) => showFigure(figure, value));
  if (from === to) return to;
  const unit = /[ /].+$/.exec(to)?.[0] ?? " ";
  return `${from.endsWith(unit) ? from.slice(0, -unit.length) : from} – ${to}`;
};

/** A median's interval. `undefined` where there is none: of too few rounds, or in three digits. */
export const showInterval = (
  figure: Figure,
  { low, high, rounds }: Estimate,
): string | undefined =>
  rounds < ENOUGH_ROUNDS || showFigure(figure, low) === showFigure(figure, high)
    ? undefined
    : showRange(figure, low, high);

/**
 * How fine a highest rate is: by how much higher the next one was that was tried, and not held.
 * Empty where no rate failed.
 */
export const stepText = (cells: readonly Cell[]): string => {
  const steps = cells
    .filter((cell) => !cell.problem && !hasBounds(cell, "highestRate"))
    .flatMap(({ rounds }) => rounds)
    .flatMap(({ outcome: { metrics, samples } }) => {
      const { highestRate: held = Infinity } = metrics;
      const above = (samples?.rate ?? []).filter((rate) => rate > held);
      return above.length > 0 ? [Math.min(...above) / held] : [];
    });
  if (steps.length === 0) return "";
  return `Rates are tried in steps: the next one, which was not held, was up to ${percent(Math.max(...steps))} higher.`;
};

/** A ratio as people say it: `1.5 ×`, `0.8 ×`; near 1 with three digits. */
export const times = (ratio: number): string => `${digits(ratio)} ×`;

/** `1.05` as `5 %`. */
export const percent = (ratio: number): string => `${digits((ratio - 1) * 100)} %`;

/** What stands where there is no figure. */
export const insteadOf: Readonly<Record<Exclude<Outcome["kind"], "measured">, string>> = {
  failed: "FAILED",
  invalid: "invalid",
  "not applicable": "n/a",
};

/** Why there is no figure. */
export const whyNot = (problem: Exclude<Outcome, { readonly kind: "measured" }>): string => {
  if (problem.kind !== "failed") return problem.reason;
  const { reason, lost, doubled, reordered } = problem;
  const counts = Object.entries({ lost, doubled, reordered }).filter(([, count]) => count > 0);
  const text = counts.map(([name, count]) => `${name} ${digits(count)}`).join(", ");
  return text ? `${reason} (${text})` : reason;
};

/** What was asked of everybody. */
export const workText = ({ scenarios, runs }: Result): string => {
  const played = scenarios.filter(({ name }) => runs.some(({ scenario }) => scenario === name));
  const each = played.map(({ name, params }) => `${name} (${paramsText(params)})`);
  return `The work: ${each.join(" · ")}.`;
};

/** What it was run on, in a few short phrases. */
export const conditionsOf = ({ conditions, startedAt, tookMs }: Result): readonly string[] => {
  const { commit, dirty, versions, cpu, cores, memoryBytes, pinned, flags } = conditions;
  return [
    `${startedAt.slice(0, 16).replace("T", " ")} UTC`,
    `commit ${commit.slice(0, 9)}${dirty ? " with changes" : ""}`,
    cpu,
    `${cores} core${cores === 1 ? "" : "s"}`,
    `${digits(memoryBytes / 2 ** 30)} GiB`,
    ...Object.entries(versions).map(([name, version]) => `${name} ${version}`),
    typeof pinned === "string"
      ? `not pinned: ${pinned}`
      : `server on core ${pinned.server}${pinned.awake ? ", kept awake" : ""}, load on core ${pinned.load}`,
    `took ${withUnit(tookMs, "ms")}`,
    ...(flags.length > 0 ? [`flags ${flags.join(" ")}`] : []),
  ];
};
