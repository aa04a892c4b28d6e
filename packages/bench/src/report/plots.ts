// The plots of the report, each with a caption that says how to read it, and its raw figures.
import * as Plot from "@observablehq/plot";
import { figures, type Figure } from "../metrics.ts";
import type { Result } from "../result.ts";
import { cellsOf, figureOf, laneOf, valuesOf, type Cell } from "../stats/cells.ts";
import { CONFIDENCE, ENOUGH_ROUNDS } from "../stats/bootstrap.ts";
import { merge, quantile, total } from "../stats/histogram.ts";
import { COST } from "../stats/core.ts";
import { optionsOf, type Answer, type Option } from "./answer.ts";
import { colourOf, dashOf, draw, logScale, symbolOf } from "./draw.ts";
import { digits, showFigure, showIn, stepText, withUnit } from "./words.ts";

/** A table of raw figures: its first column names the rows. */
export interface Figures {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Drawn {
  readonly title: string;
  /** How to read it. */
  readonly caption: string;
  /** HTML. */
  readonly plot: string;
  readonly figures: Figures;
  /** The contenders that it shows in their colours. */
  readonly legend: readonly Cell["contender"][];
  readonly signs?: "lines" | "symbols";
}

const cellsIn = (cells: readonly Cell[], scenario: string, figure: Figure): readonly Cell[] =>
  cells
    .filter((cell) => cell.scenario.name === scenario && !cell.problem)
    .filter((cell) => valuesOf(cell.rounds, figure).size > 0);

const isOurs = ({ contender }: Cell) => contender.kind === "tidings";

/** Techniques in their order, and what was measured beside each directly below it. */
const byLane = (cells: readonly Cell[]): readonly Cell[] => {
  const lanes = [...new Set(cells.map(({ contender }) => laneOf(contender.name)))];
  return lanes.flatMap((lane) => cells.filter(({ contender }) => laneOf(contender.name) === lane));
};

const namesOf = (cells: readonly Cell[]) => cells.map(({ contender }) => contender.name);

const showIfAny = (figure: Figure, value: number | undefined) =>
  value === undefined ? "–" : showFigure(figure, value);

/** Of one figure: the median, its interval, and every round; of those `beside` it the median. */
const roundsOf = (
  cells: readonly Cell[],
  figure: Figure,
  beside: readonly Figure[] = [],
): Figures => {
  const rounds = [...new Set(cells.flatMap((cell) => cell.rounds.map(({ round }) => round)))];
  return {
    head: [
      "",
      "median",
      "from",
      "to",
      ...rounds.map((round) => `round ${round}`),
      ...beside.map((one) => figures[one].title),
    ],
    rows: cells.map((cell) => {
      const values = valuesOf(cell.rounds, figure);
      const { value, low, high } = figureOf(cell, figure) ?? {};
      return [
        cell.contender.name,
        ...[value, low, high, ...rounds.map((r) => values.get(r))].map((one) =>
          showIfAny(figure, one),
        ),
        ...beside.map((one) => showIfAny(one, figureOf(cell, one)?.value)),
      ];
    }),
  };
};

/** A dot for each contender, with the interval of its median. */
const dots = (
  all: readonly Cell[],
  scenario: string,
  figure: Figure,
  text: Pick<Drawn, "title" | "caption">,
  beside?: readonly Figure[],
): Drawn | undefined => {
  const cells = byLane(cellsIn(all, scenario, figure));
  const marks = cells.flatMap((cell) => {
    const estimate = figureOf(cell, figure);
    const name = cell.contender.name;
    // A logarithmic axis has no 0.
    return estimate && estimate.low > 0 ? [{ ...estimate, cell, name, ours: isOurs(cell) }] : [];
  });
  if (marks.length === 0) return undefined;
  const names = namesOf(cells);
  const colour = ({ name }: { name: string }) => colourOf(name, names);
  const spread = marks.flatMap(({ low, high }) => [low, high]);
  const plot = draw(text.title, ({ narrow }) => ({
    height: 46 + 26 * marks.length,
    marginLeft: narrow ? 118 : 150,
    marginRight: narrow ? 56 : 80,
    x: {
      ...logScale(spread, (value) => showFigure(figure, value), { narrow }),
      label: null,
      grid: true,
    },
    y: { domain: marks.map(({ name }) => name), label: null, tickSize: 0 },
    marks: [
      Plot.ruleY(marks, { y: "name", x1: "low", x2: "high", stroke: colour, strokeWidth: 3 }),
      Plot.dot(marks, {
        y: "name",
        x: "value",
        r: 5,
        stroke: colour,
        strokeWidth: 2,
        fill: (mark) => (mark.ours ? colour(mark) : "var(--paper)"),
        title: (mark) => `${mark.name}: ${showIn(mark.cell, figure, mark.value)}`,
      }),
      Plot.text(marks, {
        y: "name",
        x: "high",
        dx: 10,
        textAnchor: "start",
        text: (mark) => showIn(mark.cell, figure, mark.value),
      }),
    ],
  }));
  const signs = [
    "The axis is logarithmic.",
    marks.length < cells.length && "Who may have nothing is only in the figures.",
    marks.some(({ rounds }) => rounds > 1) &&
      (marks.every(({ rounds }) => rounds >= ENOUGH_ROUNDS)
        ? `A bar is the ${CONFIDENCE * 100} % interval of the median.`
        : "A bar reaches from the lowest round to the highest."),
    marks.some(({ ours }) => !ours) && "Hollow dots are baselines and peers.",
  ].filter((sign) => sign !== false);
  const caption = [text.caption, ...signs].join(" ");
  return { ...text, caption, plot, figures: roundsOf(cells, figure, beside), legend: [] };
};

const SHARES = [0.5, 0.9, 0.99, 0.999, 1];

/** How old events were: not one number, but all of them. */
const staleness = (all: readonly Cell[]): Drawn | undefined => {
  const cells = cellsIn(all, "fan-out", "stalenessP50Us");
  if (cells.length === 0) return undefined;
  const names = namesOf(cells);
  const lines = cells.map((cell) => {
    const histogram = merge(
      cell.rounds.flatMap(({ outcome }) => (outcome.staleness ? [outcome.staleness] : [])),
    );
    return { cell, histogram, count: total(histogram) };
  });
  const largest = Math.max(...lines.map(({ count }) => count));
  const STEPS = 80;
  const curves = lines.map(({ cell, histogram, count }) => ({
    name: cell.contender.name,
    ours: isOurs(cell),
    points: Array.from({ length: STEPS + 1 }, (_, step) => largest ** (step / STEPS))
      .filter((odds) => odds <= count)
      .map((odds) => ({ odds, us: Math.max(1, quantile(histogram, 1 - 1 / odds) ?? NaN) })),
  }));
  const nines = [1, 2, 10, 100, 1_000, 10_000, 100_000].filter((odds) => odds <= largest);
  const plot = draw("How old events are when they arrive", ({ narrow }) => ({
    height: narrow ? 300 : 400,
    marginLeft: 62,
    marginBottom: 44,
    x: {
      type: "log",
      domain: [1, largest],
      ticks: nines,
      tickFormat: (odds: number) =>
        odds === 1 ? "least" : `${+((1 - 1 / odds) * 100).toFixed(4)} %`,
      label: "share of the deliveries that were no older →",
    },
    y: {
      ...logScale(
        curves.flatMap(({ points }) => points.map(({ us }) => us)),
        (us) => withUnit(us, "µs"),
        { narrow },
      ),
      label: null,
      grid: true,
    },
    marks: [
      Plot.ruleX(nines, { strokeOpacity: 0.12 }),
      // Techniques last, on top of the others.
      ...curves
        .toSorted((a, b) => Number(a.ours) - Number(b.ours))
        .map(({ name, ours, points }) =>
          Plot.line(points, {
            x: "odds",
            y: "us",
            stroke: colourOf(name, names),
            strokeWidth: ours ? 2.5 : 1.5,
            strokeDasharray: dashOf(name, names),
            title: () => name,
          }),
        ),
    ],
  }));
  return {
    title: "How old events are when they arrive",
    caption:
      "The lower the better, and the flatter the steadier: a line that rises late has few late " +
      "deliveries. All rounds together. Both axes are logarithmic; dashed lines are baselines and peers.",
    plot,
    figures: {
      head: [
        "",
        "deliveries",
        ...SHARES.map((share) => (share === 1 ? "oldest" : `${share * 100} %`)),
        figures.publishP99Us.title,
      ],
      rows: lines.map(({ cell, histogram, count }) => [
        cell.contender.name,
        digits(count),
        ...SHARES.map((share) => withUnit(quantile(histogram, share) ?? NaN, "µs")),
        showIfAny("publishP99Us", figureOf(cell, "publishP99Us")?.value),
      ]),
    },
    legend: cells.map(({ contender }) => contender),
    signs: "lines",
  };
};

const PARTS = ["payload", "overhead out", "in"] as const;

/** What goes over the wire for one delivery. */
const bytes = (all: readonly Cell[]): Drawn | undefined => {
  const cells = byLane(cellsIn(all, "fan-out", "bytesOutPerDelivery"));
  if (cells.length === 0) return undefined;
  const rows = cells.map((cell) => {
    const [payload = 0, out = 0, into = 0] = (
      ["payloadBytesPerDelivery", "bytesOutPerDelivery", "bytesInPerDelivery"] as const
    ).map((figure) => figureOf(cell, figure)?.value);
    return { name: cell.contender.name, sizes: [payload, Math.max(0, out - payload), into] };
  });
  const bars = rows.flatMap(({ name, sizes }) =>
    sizes.map((size, place) => ({ name, size, part: PARTS[place] })),
  );
  const sum = ({ sizes }: (typeof rows)[number]) => sizes.reduce((a, b) => a + b, 0);
  const plot = draw("Bytes per delivery", ({ narrow }) => ({
    height: 60 + 26 * rows.length,
    marginLeft: narrow ? 118 : 150,
    marginRight: narrow ? 50 : 64,
    x: {
      label: null,
      grid: true,
      ticks: narrow ? 3 : 6,
      tickFormat: (size: number) => withUnit(size, "B"),
    },
    y: { domain: rows.map(({ name }) => name), label: null, tickSize: 0, padding: 0.3 },
    color: { domain: [...PARTS], range: ["var(--payload)", "var(--out)", "var(--in)"] },
    marks: [
      Plot.barX(bars, {
        x: "size",
        y: "name",
        fill: "part",
        order: [...PARTS],
        insetLeft: 0.5,
        title: ({ name, part, size }) => `${name}, ${part}: ${withUnit(size, "B")}`,
      }),
      Plot.text(rows, {
        y: "name",
        x: sum,
        dx: 6,
        textAnchor: "start",
        text: (each) => withUnit(sum(each), "B"),
      }),
    ],
  }));
  return {
    title: "Bytes per delivery",
    caption:
      '<span class="key" style="--c: var(--payload)">payload</span>, the event itself; ' +
      '<span class="key" style="--c: var(--out)">overhead out</span>, what the server sends around it; ' +
      '<span class="key" style="--c: var(--in)">in</span>, what it is sent for it. Counted on the ' +
      "sockets, without TCP and IP.",
    plot,
    figures: {
      head: ["", ...PARTS, "all"],
      rows: rows.map((each) => [
        each.name,
        ...[...each.sizes, sum(each)].map((size) => withUnit(size, "B")),
      ]),
    },
    legend: [],
  };
};

const frontierFigures = (options: readonly Option[]): Figures => ({
  head: ["", "events/s", "CPU per delivery", "staleness p50", "p99"],
  rows: options.map(({ label, rate, costUs, p50Us, p99Us }) => [
    label,
    digits(rate),
    showFigure(COST, costUs),
    withUnit(p50Us, "µs"),
    withUnit(p99Us, "µs"),
  ]),
});

/** Those that nobody beats in both. */
const frontOf = (options: readonly Option[]): readonly Option[] =>
  options
    .filter((one) => !options.some((other) => other.costUs < one.costUs && other.p50Us < one.p50Us))
    .toSorted((a, b) => a.p50Us - b.p50Us);

const every = ({ cell: { params } }: Option) =>
  params.pollMs === undefined ? "" : withUnit(params.pollMs, "ms");

const contendersOf = (options: readonly Option[]) => [
  ...new Set(options.map(({ cell }) => cell.contender)),
];

/** Staleness against cost: down and to the left is better. */
const frontier = ({ options, rates }: Answer, others: readonly Option[]): Drawn => {
  const names = contendersOf(options).map(({ name }) => name);
  const all = [...options, ...others].map((option) => ({
    ...option,
    name: option.cell.contender.name,
    every: every(option),
    ours: isOurs(option.cell),
  }));
  const points = all.filter(({ ours }) => ours);
  const front = rates.flatMap((rate) => frontOf(options.filter((option) => option.rate === rate)));
  const colour = ({ name }: { name: string }) => colourOf(name, names);
  const plot = draw("Staleness against cost", ({ narrow }) => {
    const facet = narrow ? ({ fy: "rate" } as const) : ({ fx: "rate" } as const);
    const scale = {
      label: null,
      tickFormat: (rate: number) => `${digits(rate)} events/s`,
      padding: 0.12,
    };
    const place = { x: "p50Us", y: "costUs", ...facet } as const;
    return {
      height: narrow ? 60 + 220 * rates.length : 360,
      marginLeft: 56,
      marginRight: narrow ? 84 : 16,
      marginBottom: 40,
      ...(narrow ? { fy: scale } : { fx: scale }),
      x: {
        ...logScale(
          all.map(({ p50Us }) => p50Us),
          (us) => withUnit(us, "µs"),
          { narrow },
        ),
        label: "median staleness →",
        grid: true,
      },
      y: {
        ...logScale(
          all.map(({ costUs }) => costUs),
          (us) => withUnit(us, "µs"),
          { narrow },
        ),
        label: null,
        grid: true,
      },
      marks: [
        Plot.frame({ strokeOpacity: 0.15 }),
        Plot.line(front, {
          ...place,
          stroke: "currentColor",
          strokeOpacity: 0.35,
          strokeDasharray: "2 3",
        }),
        Plot.line(
          points.filter(({ every }) => every),
          { ...place, z: "name", stroke: colour, strokeOpacity: 0.5 },
        ),
        Plot.dot(all, {
          ...place,
          r: ({ ours }) => (ours ? 5 : 3.5),
          stroke: colour,
          fill: (point) => (point.ours ? colour(point) : "var(--paper)"),
          symbol: { value: ({ name }: { name: string }) => symbolOf(name) },
          title: (point) =>
            `${point.label}: ${withUnit(point.p50Us, "µs")}, ${showFigure(COST, point.costUs)}`,
        }),
        Plot.text(points, { ...place, text: "every", dy: -11, fontSize: 10 }),
      ],
    };
  });
  return {
    title: "Staleness against cost",
    caption:
      "Upwards the server's CPU per delivery, to the right the median staleness: down is cheaper, left " +
      "is fresher, both in logarithms. The dotted line joins the techniques that no other beats in both; small figures are the " +
      `intervals of polling.${others.length > 0 ? " Hollow symbols are baselines and peers." : ""}`,
    plot,
    figures: frontierFigures([...options, ...others]),
    legend: contendersOf(options),
    signs: "symbols",
  };
};

/** The same values, moved apart in their logarithms until each has room for its label. */
const apart = (values: readonly number[], room: number): readonly number[] => {
  const order = values
    .map((_, place) => place)
    .toSorted((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const moved = [...values];
  order.slice(1).forEach((place, before) => {
    const lower = moved[order[before] ?? 0] ?? 0;
    moved[place] = Math.max(values[place] ?? 0, lower * Math.exp(room));
  });
  return moved;
};

/** Cost over the rate of events, and where one option overtakes another. */
const overtaking = ({ options, rates, overtakings }: Answer): Drawn | undefined => {
  if (rates.length < 2) return undefined;
  const names = contendersOf(options).map(({ name }) => name);
  const points = options.map((option) => ({
    ...option,
    name: option.cell.contender.name,
    every: every(option),
  }));
  const last = points.filter(({ rate }) => rate === rates.at(-1));
  const colour = ({ name }: { name: string }) => colourOf(name, names);
  const costs = points.map(({ costUs }) => costUs);
  const plot = draw("Cost over the rate of events", ({ narrow }) => {
    const height = narrow ? 320 : 380;
    // A line of text is 14 px high, and the logarithms share what the margins leave.
    const room = (Math.log(Math.max(...costs) / Math.min(...costs)) * 14) / (height - 80);
    const places = apart(
      last.map(({ costUs }) => costUs),
      room,
    );
    return {
      height,
      marginLeft: 56,
      marginRight: narrow ? 70 : 120,
      marginBottom: 40,
      x: {
        type: "log",
        domain: [rates[0] ?? 1, rates.at(-1) ?? 1],
        ticks: [...rates],
        tickFormat: (rate: number) => digits(rate),
        label: "events per second →",
      },
      y: {
        ...logScale(costs, (us) => withUnit(us, "µs"), { narrow }),
        label: null,
        grid: true,
      },
      marks: [
        Plot.line(points, { x: "rate", y: "costUs", z: "label", stroke: colour, strokeWidth: 2 }),
        Plot.dot(points, { x: "rate", y: "costUs", r: 3, fill: colour, title: "label" }),
        Plot.text(last, {
          x: "rate",
          y: places,
          dx: 8,
          textAnchor: "start",
          fill: colour,
          // On a telephone, the colour says that it is a poll.
          text: ({ name, every }) => (every && narrow ? every : `${name} ${every}`),
        }),
        Plot.dot(overtakings, {
          x: "rate",
          y: "costUs",
          r: 7,
          stroke: "currentColor",
          strokeWidth: 1.5,
          title: ({ one, other, rate }) =>
            `${one.label} overtakes ${other.label} at ${digits(rate)} events/s`,
        }),
      ],
    };
  });
  return {
    title: "Where one overtakes another",
    caption:
      overtakings.length > 0
        ? "Upwards the server's CPU per delivery; both axes are logarithmic. A ring marks the rate from which on one costs less " +
          "than another: a poll brings all that has happened since the last one, so the more happens, " +
          "the less each event costs."
        : "No line crosses another by more than noise at the rates that were measured.",
    plot,
    figures: {
      head: ["", "events/s", "CPU per delivery", "from here on costs less than"],
      rows: [
        ...points.map(({ label, rate, costUs }) => ({ label, rate, costUs, than: "" })),
        ...overtakings.map(({ one, other, ...where }) => ({
          label: one.label,
          than: other.label,
          ...where,
        })),
      ]
        .toSorted((a, b) => a.label.localeCompare(b.label) || a.rate - b.rate)
        .map(({ label, rate, costUs, than }) => [
          label,
          digits(rate),
          showFigure(COST, costUs),
          than,
        ]),
    },
    legend: contendersOf(options),
    signs: "lines",
  };
};

/** All plots for which there are figures. */
export const plotsOf = (result: Result, answer: Answer | undefined): readonly Drawn[] => {
  const cells = cellsOf(result);
  const cost = (
    scenario: string,
    figure: Figure,
    title: string,
    caption: string,
    ...beside: readonly Figure[]
  ) => dots(cells, scenario, figure, { title, caption }, beside);
  return [
    staleness(cells),
    cost(
      "fan-out",
      "serverCpuUsPerDelivery",
      "Server CPU per delivery",
      "What the server spends on bringing one event to one subscriber.",
    ),
    bytes(cells),
    ...(answer ? [frontier(answer, optionsOf(result, false)), overtaking(answer)] : []),
    cost(
      "idle",
      "rssBytesPerSubscriber",
      "Memory per subscriber",
      "What a subscriber adds: the growth from a quarter of them to all, divided by the other three quarters.",
    ),
    cost(
      "idle",
      "serverCpuUsPerSubscriberSecond",
      "What nothing costs",
      "Server CPU per subscriber and second while nothing is published: polls that find nothing, and heartbeats where one falls.",
      "requestsPerSubscriberSecond",
      "bytesPerSubscriberSecond",
    ),
    cost(
      "burst",
      "highestRate",
      "The highest rate",
      `Events per second that all subscribers were given without loss and in time; ≥ where it was not the server that gave in. Right is better. ${stepText(cells)}`.trim(),
    ),
    cost(
      "storm",
      "wholeAfterMs",
      "Whole again",
      "The server is killed and started again: until every subscriber had everything.",
      "doubled",
      "peakCpuPercent",
    ),
  ].filter((drawn) => drawn !== undefined);
};
