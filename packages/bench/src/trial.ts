// One server with its subscribers, measured stretch by stretch.
import { rests, type Contender, type Server } from "./contender.ts";
import { now, until } from "./load/clock.ts";
import type { Account, Fleet } from "./load/fleet.ts";
import { intendedTimes } from "./load/schedule.ts";
import { POLL_JITTER, type Site } from "./load/wire.ts";
import type { Stretch } from "./load/worker.ts";
import { CpuClock, pinTo, rssBytes, whyBlind, type Places } from "./machine.ts";
import { LEAST_TO_WEIGH } from "./metrics.ts";
import type { Failed, Invalid, Measured } from "./result.ts";

/** What a trial runs on. */
export interface Ground {
  readonly fleet: Fleet;
  readonly places: Places;
  /** Ends the servers that a run has started, when it fires. Default: never. */
  readonly signal?: AbortSignal | undefined;
}

export interface TrialOptions extends Pick<Site, "pollMs" | "backOffMs" | "seed"> {
  readonly payloadBytes: number;
  /** The technique's own options. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
}

export interface StretchOptions {
  /** Events per second. */
  readonly rate: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly seed: number;
  /** How much later than a poll's pause a delivery may be before it counts as lost. Default 2,000. */
  readonly patienceMs?: number | undefined;
  readonly toleranceMs?: Stretch["toleranceMs"];
}

/** What was seen of the server while a stretch was measured. */
export interface Seen extends Account {
  readonly serverCpuUs: number;
  /** Of one core, every 100 ms; empty where it cannot be known. */
  readonly serverCpuPercent: readonly number[];
  /** How long the server was watched, in milliseconds. */
  readonly serverMs: number;
}

/** What was seen of a server that died and, from its start on, of the one in its place. */
export interface Crash extends Seen {
  readonly killedAt: number;
  /** When every subscriber had all that was meant to be published while no server was there. */
  readonly wholeAt: number;
}

// What the first ones have left behind is cleared away meanwhile.
const SETTLE_MS = 100;
// Time to tell all processes what comes.
const LEAD_MS = 20;
// So long before the schedule begins the server is killed: none of it is taken by the one that dies.
const DYING_MS = 15;
const SAMPLE_MS = 100;
// So many times as fast one warms up, but not faster than so many events per second, which are more
// than some servers can take.
const HASTE = 10;
const HASTE_PER_SECOND = 200;

export class Trial implements AsyncDisposable {
  readonly contender: Contender;
  readonly options: TrialOptions;
  readonly #ground: Ground;
  readonly #fleet: Fleet;
  #server: Server;
  #subscribers = 0;
  /** The server's memory with the first subscribers, and how many have come since. */
  #weighed: { readonly rss: number; readonly rest: number } | undefined;
  #published = 0;

  private constructor(ground: Ground, contender: Contender, options: TrialOptions, server: Server) {
    this.#ground = ground;
    this.#fleet = ground.fleet;
    this.contender = contender;
    this.options = options;
    this.#server = server;
  }

  /** Starts the server. */
  static async start(
    { fleet, places, signal }: Ground,
    contender: Contender,
    options: TrialOptions,
  ): Promise<Trial> {
    // The fleet of now: after a run that hangs, even in this start, the others have a new one.
    const ground = { fleet, places, signal };
    return new Trial(ground, contender, options, await start(ground, contender, options));
  }

  get subscribers(): number {
    return this.#subscribers;
  }

  /** Opens so many subscribers, or only the first of them. */
  async open(subscribers: number, first = subscribers): Promise<void> {
    const { pollMs, backOffMs, seed, payloadBytes } = this.options;
    const { wire, publishPath: path } = this.contender;
    const { url } = this.#server;
    this.#subscribers = subscribers;
    const site = { wire, url, subscribers, pollMs, backOffMs, seed };
    await this.#whileThere(this.#fleet.open(site, { path, payloadBytes }, first));
  }

  // Who comes to nobody would try for ever.
  async #whileThere(opened: Promise<void>): Promise<void> {
    const gone = this.#server.exited.then(() => {
      throw new Error("the server ended when its subscribers came");
    });
    await Promise.race([opened, gone]);
  }

  /** The same, and weighs the server when a quarter of them are there. */
  async openWeighed(subscribers: number): Promise<void> {
    if (subscribers < LEAST_TO_WEIGH) return this.open(subscribers);
    const first = Math.ceil(subscribers / 4);
    await this.open(subscribers, first);
    await Bun.sleep(SETTLE_MS);
    this.#weighed = { rss: rssBytes(this.#server.pid), rest: subscribers - first };
    await this.#whileThere(this.#fleet.openRest());
  }

  /**
   * What each subscriber beyond the first quarter has added to the server's memory: what a server
   * takes for whoever comes first is none of theirs. Nothing where that is too little to be seen.
   */
  memory(): Metrics {
    if (whyBlind() !== undefined || this.#weighed === undefined) return {};
    const { rss, rest } = this.#weighed;
    const growth = rssBytes(this.#server.pid) - rss;
    return growth > 0 ? { rssBytesPerSubscriber: growth / rest } : {};
  }

  /**
   * Publishes faster than one measures, and waits until everybody has everything: what a runtime does
   * for the first deliveries, such as compiling, is done. What is wrong with it is wrong with the run.
   */
  async warmUp(options: Omit<StretchOptions, "measureMs">): Promise<Failed | Invalid | undefined> {
    const rate = Math.max(options.rate, Math.min(HASTE * options.rate, HASTE_PER_SECOND));
    const seen = await this.play({ ...options, rate, measureMs: 0 });
    // Nothing is measured that the generator could hold up.
    return judge({ ...seen, bottleneck: undefined });
  }

  /** Publishes at a rate, and looks at what comes of it. */
  async play(options: StretchOptions): Promise<Seen> {
    const stretch = this.#next(options);
    const { measureFrom, measureTo } = stretch;
    const [account, seen] = await Promise.all([
      this.#fleet.play(stretch),
      this.#watch(measureFrom, () => measureTo),
    ]);
    return { ...account, ...seen };
  }

  /**
   * The server is killed, and another one takes its place. What is to be published meanwhile is
   * published as soon as there is somebody to take it.
   */
  async crash(options: StretchOptions): Promise<Crash> {
    const stretch = this.#next(options);
    const { schedule, deadline } = stretch;
    let end = deadline;
    const publish = async () => {
      const account = await this.#fleet.play({ ...stretch, persistent: true });
      end = now();
      return account;
    };
    const restart = async () => {
      await until(schedule.startAt - DYING_MS);
      const killedAt = now();
      this.#server.kill("SIGKILL");
      await this.#server.exited;
      const { port } = new URL(this.#server.url);
      this.#server = await start(this.#ground, this.contender, this.options, Number(port));
      const backAt = now();
      return { killedAt, backAt, seen: await this.#watch(backAt, () => end) };
    };
    const [account, { killedAt, backAt, seen }] = await Promise.all([publish(), restart()]);
    // Where nothing was to be published meanwhile, the first publication shows who is there.
    const times = intendedTimes(schedule);
    const due = Math.max(1, times.filter((moment) => moment < backAt).length);
    const wholeAt = Math.max(...account.completeAt.subarray(0, due));
    // What the old server has taken, the new one need not know.
    const isLate = killedAt > (times[0] ?? Infinity);
    const bottleneck = isLate ? "the bench killed the server too late" : account.bottleneck;
    return { ...account, ...seen, bottleneck, killedAt, wholeAt };
  }

  #next({ rate, seed, patienceMs = 2_000, toleranceMs, ...parts }: StretchOptions): Stretch {
    const warmUpMs = wholeSlots(parts.warmUpMs, rate);
    const measureMs = wholeSlots(parts.measureMs, rate);
    const startAt = now() + LEAD_MS;
    const count = Math.round((rate * (warmUpMs + measureMs)) / 1000);
    const schedule = { first: this.#published, count, perSecond: rate, startAt, seed };
    this.#published += count;
    const measureFrom = startAt + warmUpMs;
    const measureTo = measureFrom + measureMs;
    const deadline = measureTo + longestPauseMs(this.contender, this.options) + patienceMs;
    return { schedule, measureFrom, measureTo, deadline, toleranceMs };
  }

  // How long one must look may turn out meanwhile.
  async #watch(from: number, to: () => number) {
    const clock = new CpuClock(this.#server.pid);
    await until(from);
    const look = () => ({ at: now(), us: clock.look() });
    const looks = [look()];
    for (let at = from + SAMPLE_MS; at < to() + SAMPLE_MS; at += SAMPLE_MS) {
      await until(Math.min(at, to()));
      looks.push(look());
    }
    const [first = look(), last = first] = [looks[0], looks.at(-1)];
    const steps = looks.slice(1).map((now, i) => ({ now, before: looks[i] ?? first }));
    return {
      serverCpuUs: last.us - first.us,
      serverMs: last.at - first.at,
      serverCpuPercent:
        whyBlind() === undefined
          ? steps.map(({ now, before }) => (now.us - before.us) / (now.at - before.at) / 10)
          : [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#fleet.close();
    } finally {
      await this.#server[Symbol.asyncDispose]();
    }
  }
}

/** The time rounded up, so that each part of a stretch has as many publications as its rate says. */
export const wholeSlots = (ms: number, rate: number): number =>
  rate > 0 ? (Math.ceil((ms * rate) / 1000) * 1000) / rate : ms;

const start = (
  { places, signal }: Ground,
  contender: Contender,
  { options }: TrialOptions,
  port?: number,
): Promise<Server> => {
  const prefix = places.server === undefined ? [] : pinTo(places.server);
  return contender.start({ prefix, options, port, signal });
};

/** How long a subscriber waits by design before it asks again, in milliseconds. */
export const longestPauseMs = (contender: Contender, { pollMs }: Pick<Site, "pollMs">): number =>
  rests(contender) ? pollMs * (1 + POLL_JITTER) : 0;

/** Why a stretch is no figure; undefined when it is one. */
export const judge = (seen: Account): Failed | Invalid | undefined => {
  const { lost, doubled, doubledTo, reordered, early, refused, reason, bottleneck } = seen;
  // No generator, however slow, makes a server do these.
  const broken =
    (doubled > 0 && `${doubled} deliveries came twice, to ${doubledTo} of the subscribers`) ||
    (reordered > 0 && `${reordered} deliveries came after later ones`) ||
    (early > 0 && `${early} deliveries came before they were published`);
  const missing =
    (refused > 0 && `${refused} publications were not taken: ${reason}`) ||
    (lost > 0 && `${lost} deliveries had not arrived in time`);
  if (!broken && bottleneck !== undefined) return { kind: "invalid", reason: bottleneck };
  const why = broken || missing;
  return why ? { kind: "failed", reason: why, lost, doubled, reordered } : undefined;
};

type Metrics = Measured["metrics"];

/** What a delivery costs: the server's CPU, bytes and requests. */
export const perDelivery = (contender: Contender, seen: Seen): Metrics => {
  const { share } = seen;
  if (share.delivered === 0) return {};
  const perMs = share.delivered / share.ms;
  const each = (amount: number) => amount / share.delivered;
  return {
    deliveredPerSecond: perMs * 1000,
    ...ofServer(seen, (cpuUsPerMs) => ({ serverCpuUsPerDelivery: cpuUsPerMs / perMs })),
    ...ofWire(contender, {
      bytesOutPerDelivery: each(share.bytesOut),
      bytesInPerDelivery: each(share.bytesIn),
    }),
    requestsPerDelivery: each(share.requests),
  };
};

/** What a subscriber costs in a second. */
export const perSubscriberSecond = (trial: Trial, seen: Seen): Metrics => {
  const { share } = seen;
  const { subscribers } = trial;
  const each = (amount: number) => (amount / share.ms / subscribers) * 1000;
  return {
    ...ofServer(seen, (cpuUsPerMs) => ({
      serverCpuUsPerSubscriberSecond: (cpuUsPerMs / subscribers) * 1000,
    })),
    ...ofWire(trial.contender, {
      bytesPerSubscriberSecond: each(share.bytesOut + share.bytesIn),
    }),
    requestsPerSubscriberSecond: each(share.requests),
  };
};

// What cannot be known is left out, and never 0.
const ofServer = ({ serverCpuUs, serverMs }: Seen, more: (cpuUsPerMs: number) => Metrics) => {
  if (whyBlind() !== undefined) return {};
  const cpuUsPerMs = serverCpuUs / serverMs;
  return { ...more(cpuUsPerMs), serverCpuPercent: cpuUsPerMs / 10 };
};

const ofWire = ({ wire }: Contender, metrics: Metrics): Metrics =>
  wire.kind === "client" ? {} : metrics;
