/** What a metric means. Its unit stands in its name; a new metric is one more line here. */
export interface Meaning {
  readonly title: string;
  /** Shown after the figure. */
  readonly unit: string;
  /** Which direction is good; `neither` is shown and never judged. */
  readonly better: "lower" | "higher" | "neither";
}

const all = {
  serverCpuUsPerDelivery: { title: "server CPU per delivery", unit: "µs", better: "lower" },
  serverCpuUsPerSubscriberSecond: {
    title: "server CPU per subscriber and second",
    unit: "µs",
    better: "lower",
  },
  /** Of one core. It says what CPU per delivery says, and is not judged a second time. */
  serverCpuPercent: { title: "server CPU", unit: "%", better: "neither" },
  /** Of one core. */
  peakCpuPercent: { title: "peak of the server's CPU", unit: "%", better: "neither" },
  /** The event's own JSON: what every technique has to carry. */
  payloadBytesPerDelivery: { title: "payload per delivery", unit: "B", better: "neither" },
  /** From the server, payload included; as the sockets carry it, without TCP and IP. */
  bytesOutPerDelivery: { title: "bytes out per delivery", unit: "B", better: "lower" },
  /** To the server. */
  bytesInPerDelivery: { title: "bytes in per delivery", unit: "B", better: "lower" },
  bytesPerSubscriberSecond: {
    title: "bytes per subscriber and second",
    unit: "B",
    better: "lower",
  },
  requestsPerDelivery: { title: "requests per delivery", unit: "", better: "lower" },
  requestsPerSubscriberSecond: {
    title: "requests per subscriber and second",
    unit: "",
    better: "lower",
  },
  rssBytesPerSubscriber: { title: "memory per subscriber", unit: "B", better: "lower" },
  /** As many as were published, in an open loop; what can be taken is the highest rate. */
  deliveredPerSecond: { title: "deliveries per second", unit: "/s", better: "neither" },
  /** Events per second that every subscriber was given in time, and without loss. */
  highestRate: { title: "highest rate", unit: "/s", better: "higher" },
  /** From the server's end until every subscriber had what was due while no server was there. */
  wholeAfterMs: { title: "whole again after", unit: "ms", better: "lower" },
  /** Deliveries of what a subscriber had already. */
  doubled: { title: "doubled deliveries", unit: "", better: "lower" },
} as const satisfies Record<string, Meaning>;

export type Metric = keyof typeof all;

/** Every metric that a run may have, in the order in which they are shown. */
export const metrics: Readonly<Record<Metric, Meaning>> = all;

const quantiles = {
  stalenessP50Us: { title: "staleness, median", unit: "µs", better: "lower" },
  stalenessP99Us: { title: "staleness, p99", unit: "µs", better: "lower" },
  publishP99Us: { title: "time to publish, p99", unit: "µs", better: "lower" },
} as const satisfies Record<string, Meaning>;

/** What is shown and judged: the metrics, and what is read from a run's histograms. */
export type Figure = Metric | keyof typeof quantiles;

/** Every figure, in the order in which they are shown. */
export const figures: Readonly<Record<Figure, Meaning>> = { ...quantiles, ...all };

/** Of fewer subscribers memory is not weighed: a heap grows in steps, larger than what they add. */
export const LEAST_TO_WEIGH = 200;
