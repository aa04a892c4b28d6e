// What `bun run bench` writes: raw figures of every run, and the conditions under which they came
// about. RESULT.md describes the file for those who read it with other tools.
import { metrics, type Metric } from "./metrics.ts";

export const SCHEMA = "tidings-bench/1";

export interface Result {
  readonly schema: typeof SCHEMA;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly tookMs: number;
  readonly conditions: Conditions;
  readonly method: {
    readonly rounds: number;
    readonly warmUpMs: number;
    readonly measureMs: number;
    /**
     * Of all that is drawn by lot: the order of the runs; and with the round's number added to it
     * the moments of publication, and the jitter of polls and of pauses after a cut.
     */
    readonly seed: number;
  };
  /** The load generator against a null server. */
  readonly audit: readonly Audit[];
  readonly contenders: readonly Contender[];
  readonly scenarios: readonly Scenario[];
  /** In the order in which they ran. */
  readonly runs: readonly Run[];
}

export interface Conditions {
  readonly commit: string;
  /** The work tree had changes that are in no commit. */
  readonly dirty: boolean;
  /** Of bun, elysia, the kernel and each peer. */
  readonly versions: Readonly<Record<string, string>>;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly limits: { readonly descriptors: number };
  /**
   * SHA-256 over the sources of baselines, peers and the probe: only the same ones show what the
   * machine did between two results. Missing in results from before it was kept.
   */
  readonly yardsticks?: string;
  /**
   * The core that each was pinned to, and whether the server's was kept awake (missing in results from
   * before it was); or the reason why nothing was pinned.
   */
  readonly pinned:
    { readonly server: number; readonly load: number; readonly awake?: boolean } | string;
  /** What the command was given. */
  readonly flags: readonly string[];
}

export interface Audit {
  /** The generator's way of receiving, such as `sse`. */
  readonly lane: string;
  /** Of the generator itself, its publisher included, where each event comes alone. */
  readonly cpuUsPerDelivery: number;
  /** What its cores could take at that price. Events that come together cost less. */
  readonly alonePerSecond: number;
  /** Why this is too high; left out when the generator had its cores to itself. */
  readonly invalid?: string;
}

export interface Contender {
  readonly name: string;
  readonly title: string;
  readonly kind: "tidings" | "baseline" | "peer";
  /** In what it does not do the same work as the others. */
  readonly deviations: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** What it answers. */
  readonly question: string;
  /** Names with units. */
  readonly params: Params;
}

/**
 * What was asked of the contenders, such as `subscribers`, `rate` (events per second) and
 * `payloadBytes`.
 * `pollMs` is a contender's own, and only of who rests between polls: a poller's runs with different
 * ones are still the same work.
 */
export type Params = Readonly<Record<string, number>>;

export interface Run {
  /** The scenario's name. */
  readonly scenario: string;
  /** The contender's name. */
  readonly contender: string;
  /**
   * Where a contender runs twice in each round: `A` counts like every other run, `B` is there to show
   * by how much the same server differs from itself.
   */
  readonly replica?: "A" | "B";
  /** From 1. */
  readonly round: number;
  /** Its place among the scenario's runs in its round, from 1. */
  readonly order: number;
  /** The scenario's, and what this run sets. Runs with the same ones are rounds of one cell. */
  readonly params: Params;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly outcome: Outcome;
}

/** A figure, or the reason why there is none; never 0 for "could not". */
export type Outcome = Measured | Failed | Invalid | NotApplicable;

export interface Measured {
  readonly kind: "measured";
  readonly metrics: Readonly<Partial<Record<Metric, number>>>;
  /** Metrics that reached the end of what was tried: the truth is at least this. */
  readonly atLeast?: readonly Metric[];
  /** From the moment in which the event was meant to be published until it was delivered. */
  readonly staleness?: Histogram;
  /** From the moment in which the event was meant to be published until the server took it. */
  readonly publish?: Histogram;
  /** How busy and how late the load generator was meanwhile. */
  readonly generator?: Generator;
  /**
   * Series of raw samples, such as the server's CPU every 100 ms; `coreUs` is what the same small
   * work took each time on the server's core, in microseconds of CPU.
   */
  readonly samples?: Readonly<Record<string, readonly number[]>>;
}

/** What the figures of a run have of the load generator in them. */
export interface Generator {
  /** Of its busiest core. */
  readonly cpuPercent: number;
  /** How late it was for what it does by the clock. */
  readonly latenessP90Us: number;
  readonly latenessP99Us: number;
}

/** The contract was broken. */
export interface Failed {
  readonly kind: "failed";
  readonly reason: string;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
}

/** The load generator was the bottleneck. */
export interface Invalid {
  readonly kind: "invalid";
  readonly reason: string;
}

export interface NotApplicable {
  readonly kind: "not applicable";
  readonly reason: string;
}

/** How many values lay in each bucket. A bucket begins above the one before it. */
export interface Histogram {
  readonly unit: "us";
  /** Buckets with something in them, ascending: the largest value that it takes, and how many. */
  readonly counts: readonly (readonly [upTo: number, count: number])[];
}

type Check = (value: unknown, field: string) => void;

const refuse = (field: string, wanted: string, value: unknown): never => {
  const shown = JSON.stringify(value) ?? String(value);
  throw new TypeError(`${field || "a result"}: must be ${wanted}, not ${shown.slice(0, 40)}.`);
};

const text: Check = (value, field) => {
  if (typeof value !== "string" || value === "") refuse(field, "a text", value);
};
const bool: Check = (value, field) => {
  if (typeof value !== "boolean") refuse(field, "true or false", value);
};
const RFC_3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const time: Check = (value, field) => {
  if (typeof value !== "string" || !RFC_3339_UTC.test(value) || Number.isNaN(Date.parse(value)))
    refuse(field, "a time such as 2026-11-20T21:48:00.000Z", value);
};
// What nobody can have measured, no axis can show.
const number: Check = (value, field) => {
  if (!(typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER))
    refuse(field, "a number from 0 to 2^53 - 1", value);
};
const count: Check = (value, field) => {
  if (!Number.isSafeInteger(value) || Number(value) < 0)
    refuse(field, "a whole number, 0 or more", value);
};
const fromOne: Check = (value, field) => {
  if (!Number.isSafeInteger(value) || Number(value) < 1)
    refuse(field, "a whole number, 1 or more", value);
};
const oneOf =
  (...known: readonly string[]): Check =>
  (value, field) => {
    if (!known.some((name) => name === value)) refuse(field, known.join(" or "), value);
  };
const list =
  (item: Check): Check =>
  (value, field) => {
    if (!Array.isArray(value)) return refuse(field, "a list", value);
    value.forEach((each, place) => item(each, `${field}[${place}]`));
  };
const entriesOf = (value: unknown, field: string): [string, unknown][] =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value)
    : refuse(field, "an object", value);
const map =
  (item: Check, key: Check = text): Check =>
  (value, field) => {
    for (const [name, each] of entriesOf(value, field)) {
      key(name, `a name in ${field}`);
      item(each, `${field}.${name}`);
    }
  };
const optional =
  (check: Check): Check =>
  (value, field) => {
    if (value !== undefined) check(value, field);
  };
/** Asks for each of a type's fields, and refuses all others. */
const object =
  <Type>(fields: { readonly [name in keyof Required<Type>]: Check }): Check =>
  (value, field) => {
    const given = new Map(entriesOf(value, field));
    const at = (name: string) => (field === "" ? name : `${field}.${name}`);
    for (const [name, check] of Object.entries<Check>(fields)) check(given.get(name), at(name));
    for (const name of given.keys())
      if (!Object.hasOwn(fields, name))
        throw new TypeError(`${at(name)}: is no field of a result.`);
  };

const histogram = object<Histogram>({
  unit: oneOf("us"),
  counts: (value, field) => {
    let before = -1;
    const bucket: Check = (each, at) => {
      list(count)(each, at);
      const [upTo, held, ...more] = each as number[];
      if (upTo === undefined || held === undefined || more.length > 0)
        return refuse(at, "a pair [upTo, count]", each);
      if (upTo <= before) refuse(at, "above the bucket before it", each);
      before = upTo;
    };
    list(bucket)(value, field);
  },
});

const outcomes: Readonly<Record<Outcome["kind"], Check>> = {
  measured: object<Measured>({
    kind: text,
    metrics: map(number, oneOf(...Object.keys(metrics))),
    atLeast: optional(list(oneOf(...Object.keys(metrics)))),
    staleness: optional(histogram),
    publish: optional(histogram),
    generator: optional(
      object<Generator>({ cpuPercent: number, latenessP90Us: number, latenessP99Us: number }),
    ),
    samples: optional(map(list(number))),
  }),
  failed: object<Failed>({
    kind: text,
    reason: text,
    lost: count,
    doubled: count,
    reordered: count,
  }),
  invalid: object<Invalid>({ kind: text, reason: text }),
  "not applicable": object<NotApplicable>({ kind: text, reason: text }),
};

const params = map(number);

const check = object<Result>({
  schema: oneOf(SCHEMA),
  startedAt: time,
  tookMs: number,
  conditions: object<Conditions>({
    commit: text,
    dirty: bool,
    versions: map(text),
    cpu: text,
    cores: count,
    memoryBytes: count,
    limits: object<Conditions["limits"]>({ descriptors: count }),
    yardsticks: optional(text),
    pinned: (value, field) =>
      typeof value === "string"
        ? text(value, field)
        : object<Exclude<Conditions["pinned"], string>>({
            server: count,
            load: count,
            awake: optional(bool),
          })(value, field),
    flags: list(text),
  }),
  method: object<Result["method"]>({
    rounds: fromOne,
    warmUpMs: number,
    measureMs: number,
    seed: count,
  }),
  audit: list(
    object<Audit>({
      lane: text,
      cpuUsPerDelivery: number,
      alonePerSecond: number,
      invalid: optional(text),
    }),
  ),
  contenders: list(
    object<Contender>({
      name: text,
      title: text,
      kind: oneOf("tidings", "baseline", "peer"),
      deviations: list(text),
    }),
  ),
  scenarios: list(object<Scenario>({ name: text, title: text, question: text, params })),
  runs: list(
    object<Run>({
      scenario: text,
      contender: text,
      replica: optional(oneOf("A", "B")),
      round: fromOne,
      order: fromOne,
      params,
      startedAt: time,
      outcome: (value, field) => {
        const { kind } = Object.fromEntries(entriesOf(value, field));
        oneOf(...Object.keys(outcomes))(kind, `${field}.kind`);
        outcomes[kind as Outcome["kind"]](value, field);
      },
    }),
  ),
});

/** Throws a TypeError of one line that names the first field that is not as it should be. */
export const validateResult = (value: unknown): Result => {
  check(value, "");
  const result = value as Result;
  for (const part of ["contenders", "scenarios"] as const) {
    const all: readonly (Contender | Scenario)[] = result[part];
    for (const field of ["name", "title"] as const)
      all.forEach((one, place) => {
        const twin = all.findIndex((other) => other[field] === one[field]);
        if (twin < place)
          throw new TypeError(`${part}[${place}].${field}: is that of ${part}[${twin}] as well.`);
      });
    const field = part === "contenders" ? "contender" : "scenario";
    const known = new Set(all.map(({ name }) => name));
    result.runs.forEach((run, place) => {
      if (!known.has(run[field]))
        refuse(`runs[${place}].${field}`, `the name of one of ${part}`, run[field]);
    });
  }
  result.runs.forEach(({ round }, place) => {
    if (round > result.method.rounds)
      refuse(`runs[${place}].round`, `no more than method.rounds, ${result.method.rounds}`, round);
  });
  if (result.runs.length === 0) throw new TypeError("runs: must have at least one.");
  const seen = new Map<string, number>();
  result.runs.forEach(({ scenario, contender, params, round, replica }, place) => {
    const work = JSON.stringify([
      scenario,
      contender,
      Object.entries(params).sort(),
      round,
      replica,
    ]);
    const twin = seen.get(work);
    if (twin !== undefined)
      throw new TypeError(`runs[${place}]: is the same round of the same work as runs[${twin}].`);
    seen.set(work, place);
  });
  return result;
};
