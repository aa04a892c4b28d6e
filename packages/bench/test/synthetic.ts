// Results that nobody measured, to test what is made of measured ones: true costs, and noise as it
// is on real machines, where rounds differ by some percent and tails by much more.
import { createRandom } from "@tidings/shared/random";
import { sample } from "./result.ts";
import {
  encode,
  newCounts,
  record,
  SCHEMA,
  type Contender,
  type Metric,
  type Outcome,
  type Params,
  type Result,
  type Run,
} from "../src/index.ts";

interface Options {
  readonly seed: number;
  readonly rounds?: number;
  /** How much more CPU and time a contender takes than it should, such as 1.2. */
  readonly slowed?: Readonly<Record<string, number>>;
  /** The spread of a round's CPU: 0.03 is 3 %. */
  readonly spread?: number;
  /** By how much everything takes longer today. */
  readonly weather?: number;
  /** The spread of the pace of the server's core in fan-out, from run to run. Default 0: unknown. */
  readonly gusts?: number;
  /** How much longer than usual the core takes today. Default 1. */
  readonly pace?: number;
}

interface Truth {
  readonly kind?: Contender["kind"];
  readonly title: string;
  readonly cpuUs: number;
  /** By which power of the core's pace that goes: some need its caches more than others. */
  readonly power: number;
  readonly medianUs: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly requests: number;
  readonly rss: number;
}

const truths: Readonly<Record<string, Truth>> = {
  "short-poll": {
    title: "Short polling",
    cpuUs: 21,
    power: 3,
    medianUs: 480_000,
    bytesOut: 410,
    bytesIn: 170,
    requests: 1.1,
    rss: 900,
  },
  "long-poll": {
    title: "Long polling",
    cpuUs: 26,
    power: 1.8,
    medianUs: 1_900,
    bytesOut: 420,
    bytesIn: 190,
    requests: 1,
    rss: 5_100,
  },
  sse: {
    title: "Server-Sent Events",
    cpuUs: 2.1,
    power: 1.4,
    medianUs: 800,
    bytesOut: 262,
    bytesIn: 0.4,
    requests: 0.002,
    rss: 4_300,
  },
  ws: {
    title: "WebSockets",
    cpuUs: 1.9,
    power: 1.6,
    medianUs: 760,
    bytesOut: 226,
    bytesIn: 0.6,
    requests: 0.002,
    rss: 3_700,
  },
  webhook: {
    title: "Webhooks",
    cpuUs: 180,
    power: 2.6,
    medianUs: 4_000,
    bytesOut: 640,
    bytesIn: 90,
    requests: 1,
    rss: 11_000,
  },
  "sse/raw-bun": {
    kind: "baseline",
    title: "sse by hand on Bun.serve",
    cpuUs: 1.6,
    power: 1.4,
    medianUs: 700,
    bytesOut: 260,
    bytesIn: 0.4,
    requests: 0.002,
    rss: 2_100,
  },
};

const EVENTS = { subscribers: 200, rate: 20, payloadBytes: 200 };

export const synthetic = ({
  seed,
  rounds = 5,
  slowed = {},
  spread = 0.03,
  weather = 1,
  gusts = 0,
  pace = 1,
}: Options): Result => {
  const random = createRandom(seed);
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const around = (value: number, by: number) => value * Math.exp(by * normal());
  /** Now and then something else runs on the machine. */
  const noisy = (value: number, by = spread) => around(value, by * (random.chance(0.05) ? 3 : 1));
  const staleness = (medianUs: number, tail: number) => {
    const counts = newCounts();
    const centre = noisy(medianUs, 2 * spread);
    for (let place = 0; place < 400; place++)
      record(counts, around(centre, 0.3) * (random.chance(0.02) ? noisy(tail, 0.3) : 1));
    return encode(counts);
  };

  const runs: Run[] = [];
  const scenarios: Result["scenarios"][number][] = [];
  const play = (
    name: string,
    question: string,
    works: readonly Params[],
    outcomeOf: (truth: Truth, contender: string, params: Params, factor: number) => Outcome,
  ) => {
    const title = name[0]?.toUpperCase() + name.slice(1);
    scenarios.push({ name, title, question, params: works.length === 1 ? works[0]! : EVENTS });
    for (let round = 1; round <= rounds; round++) {
      let order = 0;
      // What the machine does for a while meets all who run meanwhile.
      const moment = around(weather, 0.1);
      for (const [contender, truth] of Object.entries(truths))
        for (const params of works) {
          if (params.pollMs && contender !== "short-poll") continue;
          if (name === "frontier" && !params.pollMs && contender === "short-poll") continue;
          const isTwice = name === "fan-out" ? !contender.includes("/") : contender === "sse";
          const replicas = isTwice ? (["A", "B"] as const) : [undefined];
          for (const replica of replicas)
            runs.push({
              scenario: name,
              contender,
              ...(replica && { replica }),
              round,
              order: ++order,
              params,
              startedAt: "2026-11-21T02:00:00.000Z",
              outcome: outcomeOf(truth, contender, params, (slowed[contender] ?? 1) * moment),
            });
        }
    }
  };
  const measured = (
    metrics: Partial<Record<Metric, number>>,
    histogram?: ReturnType<typeof encode>,
    samples?: Readonly<Record<string, readonly number[]>>,
  ): Outcome => ({
    kind: "measured",
    metrics,
    ...(histogram && { staleness: histogram }),
    ...(samples && { samples }),
  });

  play(
    "fan-out",
    "What does it cost to bring one event to many?",
    [EVENTS],
    ({ cpuUs, power, medianUs, bytesOut, bytesIn, requests }, _, { payloadBytes = 0 }, factor) => {
      const gust = gusts > 0 ? Math.log(pace) + gusts * normal() : 0;
      return measured(
        {
          serverCpuUsPerDelivery: noisy(cpuUs * factor) * Math.exp(power * gust),
          payloadBytesPerDelivery: payloadBytes,
          bytesOutPerDelivery: around(bytesOut, 0.0005),
          bytesInPerDelivery: around(bytesIn, 0.0005),
          requestsPerDelivery: around(requests, 0.001),
        },
        staleness(medianUs * factor, 5),
        gusts > 0
          ? { coreUs: [300, 310, 320].map((us) => us * around(Math.exp(gust), 0.02)) }
          : undefined,
      );
    },
  );
  play("idle", "What do subscribers cost while nothing happens?", [{ subscribers: 500 }], (truth) =>
    measured({
      rssBytesPerSubscriber: noisy(truth.rss, 2 * spread),
      serverCpuUsPerSubscriberSecond: noisy(truth.requests * truth.cpuUs + 0.3, 2 * spread),
      requestsPerSubscriberSecond: truth.title === "Short polling" ? 1 : 0,
    }),
  );
  play(
    "burst",
    "How many events a second before something gives?",
    [{ subscribers: 100, payloadBytes: 200, boundMs: 100 }],
    ({ cpuUs }, contender, _, factor) =>
      contender === "short-poll"
        ? { kind: "not applicable", reason: "A poll's staleness is its interval, not its load." }
        : measured({ highestRate: noisy(9_000 / cpuUs / factor, 0.05) }),
  );
  play("storm", "How long until all are whole again?", [{ subscribers: 200 }], (_, contender) =>
    contender === "sse/raw-bun"
      ? { kind: "failed", reason: "3 events were lost.", lost: 3, doubled: 0, reordered: 0 }
      : measured({ wholeAfterMs: noisy(400, 0.2), doubled: 0, peakCpuPercent: noisy(70, 0.1) }),
  );
  const works = [0.1, 1, 10, 100].flatMap((rate) =>
    [0, 100, 1_000, 5_000].map((pollMs) => ({
      subscribers: 100,
      rate,
      ...(pollMs && { pollMs }),
    })),
  );
  play("frontier", "Which one when?", works, (truth, _, { rate = 1, pollMs }, factor) => {
    const polls = pollMs ? 1_000 / pollMs / rate : 0;
    return measured(
      { serverCpuUsPerDelivery: noisy((pollMs ? 15 * polls + 4 : truth.cpuUs + 1) * factor) },
      staleness(pollMs ? pollMs * 500 : truth.medianUs * factor, 2),
    );
  });

  return {
    schema: SCHEMA,
    startedAt: "2026-11-21T02:00:00.000Z",
    tookMs: 170_000,
    conditions: {
      ...sample().conditions,
      commit: "0000000",
      cpu: "a processor that does not exist",
      flags: [],
    },
    method: { rounds, warmUpMs: 200, measureMs: 800, seed },
    audit: [
      { lane: "sse", alonePerSecond: 610_000, cpuUsPerDelivery: 1.4 },
      { lane: "short-poll", alonePerSecond: 61_000, cpuUsPerDelivery: 15 },
    ],
    contenders: Object.entries(truths).map(([name, { title, kind = "tidings" }]) => ({
      name,
      title,
      kind,
      deviations: kind === "baseline" ? ["It keeps no window, so nobody can resume."] : [],
    })),
    scenarios,
    runs,
  };
};
