// The load generator as a whole: processes that hold the subscribers, one that publishes, and the
// account of what came of it.
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { idly, pinTo, type Places } from "../machine.ts";
import type { Generator, Histogram } from "../result.ts";
import { encode, merge, quantile } from "../stats/histogram.ts";
import type { orders as AwakeOrders } from "./awake.ts";
import { command, type Obedient } from "./orders.ts";
import type { orders as ProbeOrders } from "./probe.ts";
import type { orders as PublisherOrders, Published, Target } from "./publisher.ts";
import type { Site, Traffic } from "./wire.ts";
import type { orders as WorkerOrders, Received, Stretch } from "./worker.ts";

/** What came of one stretch. */
export interface Account {
  /** What passed while it was measured, and how long that was. */
  readonly share: Traffic & { readonly ms: number; readonly delivered: number };
  /** How often the server closed a subscriber's connection, or did not accept it. */
  readonly cuts: number;
  readonly lost: number;
  readonly doubled: number;
  /** How many subscribers got something twice. */
  readonly doubledTo: number;
  /** Came before they were meant to be published. */
  readonly early: number;
  /** Came after an event that was published after it had been answered. */
  readonly reordered: number;
  /** Publications that the server did not take. */
  readonly refused: number;
  readonly reason: string | undefined;
  readonly staleness: Histogram;
  readonly publish: Histogram;
  /** When the last subscriber got each publication; Infinity when one of them never did. */
  readonly completeAt: Float64Array;
  /** What the generator used, in microseconds of any core. */
  readonly generatorCpuUs: number;
  readonly generator: Generator;
  /** What the same small work took on the server's core each time, in microseconds of CPU. */
  readonly coreUs: readonly number[];
  /** Why the generator, and not the server, was the bottleneck; undefined when it was not. */
  readonly bottleneck: string | undefined;
}

// A core with more to do than this has no time to notice what happens when it happens.
const FULL_PERCENT = 90;
// More processes than this do not make a faster generator.
const MAX_WORKERS = 4;

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

export class Fleet implements AsyncDisposable {
  /** How many cores the generator can use at a time. */
  readonly cores: number;
  readonly #workers: readonly Obedient<typeof WorkerOrders>[];
  readonly #publisher: Obedient<typeof PublisherOrders>;
  /** Where the server has no core of its own, there is none to look at. */
  readonly #probe: Obedient<typeof ProbeOrders> | undefined;
  /** Where nobody can have a core only when the others leave it, it may sleep. */
  readonly #awake: Obedient<typeof AwakeOrders> | undefined;

  constructor({ server, load }: Pick<Places, "server" | "load">) {
    const script = (file: string) => resolve(import.meta.dir, file);
    const workers = Math.min(MAX_WORKERS, Math.max(1, load.length));
    this.cores = Math.min(load.length || availableParallelism(), workers + 1);
    this.#workers = Array.from({ length: workers }, (_, place) =>
      command(script("worker.ts"), pinTo(...load.slice(place, place + 1))),
    );
    this.#publisher = command(script("publisher.ts"), pinTo(...load));
    if (server === undefined) return;
    this.#probe = command(script("probe.ts"), pinTo(server));
    const prefix = idly();
    if (prefix) this.#awake = command(script("awake.ts"), [...prefix, ...pinTo(server)]);
  }

  /**
   * Opens subscribers, parted among the workers. Resolves when all of them are subscribed. `first`:
   * so many; the others follow with `openRest`. Default: all.
   */
  async open(site: Site, target: Omit<Target, "url">, first = site.subscribers): Promise<void> {
    await this.#publisher.tell("open", { ...target, url: site.url });
    const { length } = this.#workers;
    await Promise.all(
      this.#workers.map((worker, place) => {
        const share = (all: number) => Math.floor((all + length - 1 - place) / length);
        const subscribers = share(site.subscribers);
        // Each worker has dice of its own, and the same ones in each run.
        const seed = site.seed * MAX_WORKERS + place;
        return worker.tell("open", { ...site, subscribers, seed, first: share(first) });
      }),
    );
  }

  async openRest(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.tell("openRest")));
  }

  /** Publishes one stretch, and waits until everybody has everything, or for its deadline. */
  async play(stretch: Stretch): Promise<Account> {
    const { schedule, measureFrom: from, measureTo: to } = stretch;
    const [coreUs = [], published, , ...received] = await Promise.all([
      this.#probe?.tell("probe", { from, to }),
      this.#publisher.tell("play", stretch),
      this.#awake?.tell("stayAwake", { from: schedule.startAt, to }),
      ...this.#workers.map((worker) => worker.tell("play", stretch)),
    ]);
    const shares = received.map(({ share }) => share);
    const generator = this.#generator(published, received);
    const total = (key: keyof Traffic | "delivered") => sum(shares.map((share) => share[key]));
    return {
      share: {
        ms: sum(shares.map(({ ms }) => ms)) / shares.length,
        delivered: total("delivered"),
        bytesOut: total("bytesOut"),
        bytesIn: total("bytesIn"),
        requests: total("requests"),
      },
      cuts: sum(received.map(({ cuts }) => cuts)),
      lost: sum(received.map(({ lost }) => lost)),
      doubled: sum(received.map(({ doubled }) => doubled)),
      doubledTo: sum(received.map(({ doubledTo }) => doubledTo)),
      early: sum(received.map(({ early }) => early)),
      reordered: reordered(stretch, published, received),
      refused: published.refused,
      reason: published.reason,
      staleness: merge(received.map(({ staleness }) => encode(staleness))),
      publish: encode(published.latency),
      completeAt: Float64Array.from({ length: stretch.schedule.count }, (_, event) =>
        Math.max(...received.map(({ completeAt }) => completeAt[event] ?? 0)),
      ),
      generatorCpuUs: published.cpuUs + sum(shares.map(({ cpuUs }) => cpuUs)),
      generator,
      coreUs,
      bottleneck: bottleneck(stretch, generator),
    };
  }

  #generator(published: Published, received: readonly Received[]): Generator {
    const loads = [published, ...received.map(({ share }) => share)].map(
      ({ cpuUs, ms }) => cpuUs / ms / 10,
    );
    const all = sum(loads) / this.cores;
    const lateness = [published, ...received].map(({ lateness }) => encode(lateness));
    const latest = (share: number) =>
      Math.max(...lateness.map((histogram) => quantile(histogram, share) ?? 0));
    return {
      cpuPercent: Math.max(all, ...loads),
      latenessP90Us: latest(0.9),
      latenessP99Us: latest(0.99),
    };
  }

  /** Ends all subscribers. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.tell("close")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const onServer = [this.#probe, this.#awake].filter((process) => process !== undefined);
    const all = [this.#publisher, ...this.#workers, ...onServer];
    await Promise.all(all.map((process) => process[Symbol.asyncDispose]()));
  }
}

const bottleneck = (
  { toleranceMs = 10 }: Stretch,
  { cpuPercent, latenessP90Us }: Generator,
): string | undefined => {
  if (cpuPercent > FULL_PERCENT)
    return `the load generator used ${Math.round(cpuPercent)} % of its core`;
  const lateMs = Math.round(latenessP90Us / 1000);
  return lateMs > toleranceMs ? `the load generator was ${lateMs} ms behind its clock` : undefined;
};

// Two publications whose requests overlapped have no order that could be kept.
const reordered = (
  { schedule }: Stretch,
  { sentAt, answeredAt }: Published,
  received: readonly Received[],
): number =>
  sum(
    received
      .flatMap(({ inversions }) => inversions)
      .map(([event, cameAfter, deliveries]) => {
        const answered = answeredAt[event - schedule.first] ?? NaN;
        return answered <= (sentAt[cameAfter - schedule.first] ?? NaN) ? deliveries : 0;
      }),
  );
