// A worker process of the load generator: some of the subscribers, and the account of what they
// were given. It does what the fleet tells it.
import { newCounts, record } from "../stats/histogram.ts";
import { now, until } from "./clock.ts";
import { nothing, type Crowd } from "./crowd.ts";
import { crowdOf } from "./crowd-of.ts";
import { obey } from "./orders.ts";
import type { Schedule } from "./schedule.ts";
import { Tally, type Inversion } from "./tally.ts";
import type { Site, Traffic } from "./wire.ts";

/** One stretch of a run: what is published in it, and in which part of it one measures. */
export interface Stretch {
  readonly schedule: Schedule;
  readonly measureFrom: number;
  readonly measureTo: number;
  /** When what has not arrived counts as lost. */
  readonly deadline: number;
  /** So late the generator may be one time in ten, in milliseconds. Default 10. */
  readonly toleranceMs?: number | undefined;
  /** Whether the publisher tries again, until the deadline, what the server did not take. */
  readonly persistent?: boolean | undefined;
}

/** What passed in the part that is measured, and what it took the process. */
export interface Share extends Traffic {
  readonly ms: number;
  readonly cpuUs: number;
  readonly delivered: number;
}

export interface Received {
  readonly share: Share;
  /** How often the server closed a subscriber's connection, or did not accept it. */
  readonly cuts: number;
  readonly lost: number;
  readonly doubled: number;
  /** How many subscribers got something twice. */
  readonly doubledTo: number;
  readonly early: number;
  readonly inversions: readonly Inversion[];
  /** A histogram's counts. */
  readonly staleness: Uint32Array;
  /** A histogram's counts: how late the process was for what it had to do by the clock. */
  readonly lateness: Uint32Array;
  /** When the last subscriber got each publication; Infinity when one of them never did. */
  readonly completeAt: Float64Array;
}

const WATCH_MS = 20;
// Who has everything is listened to for so much longer: a server may say things twice later on.
const QUIET_MS = 50;

let crowd: Crowd | undefined;
let opened = 0;

const theCrowd = (): Crowd => {
  if (!crowd) throw new Error("The worker has no subscribers.");
  return crowd;
};

const openUpTo = async (end: number) => {
  const crowd = theCrowd();
  await Promise.race([crowd.open(opened, end), crowd.failed]);
  opened = end;
};

export const orders = {
  /** Opens the first so many of a site's subscribers. */
  async open({ first, ...site }: Site & { readonly first: number }): Promise<void> {
    crowd = crowdOf(site);
    opened = 0;
    await openUpTo(first);
  },

  /** Opens the others. */
  async openRest(): Promise<void> {
    await openUpTo(theCrowd().site.subscribers);
  },

  async play(stretch: Stretch): Promise<Received> {
    const { schedule, measureFrom, measureTo, deadline } = stretch;
    const crowd = theCrowd();
    const { subscribers, wasteUs = 0 } = crowd.site;
    const tally = new Tally(subscribers, schedule, measureFrom);
    // What came since the last stretch came twice.
    tally.doubled = crowd.tally.doubled;
    for (const subscriber of crowd.tally.doubledTo) tally.doubledTo.add(subscriber);
    // The publisher may have heard of this stretch sooner.
    for (const [subscriber, number, at] of crowd.tally.ahead) tally.hits(subscriber, [number], at);
    crowd.tally = wasteUs > 0 ? wasting(tally, wasteUs) : tally;
    const look = () => {
      const { user, system } = process.cpuUsage();
      return { at: now(), cpuUs: user + system, delivered: tally.delivered, ...crowd.traffic };
    };
    const measured = async () => {
      await until(measureFrom);
      const before = look();
      await until(measureTo);
      const after = look();
      return {
        ms: after.at - before.at,
        cpuUs: after.cpuUs - before.cpuUs,
        delivered: after.delivered - before.delivered,
        bytesOut: after.bytesOut - before.bytesOut,
        bytesIn: after.bytesIn - before.bytesIn,
        requests: after.requests - before.requests,
      };
    };
    // Who has no time for a clock has none for what arrives, and sees it late.
    const lateness = newCounts();
    const watch = async () => {
      for (let moment = measureFrom; moment < measureTo; moment += WATCH_MS) {
        await until(moment);
        record(lateness, (now() - moment) * 1000);
      }
    };
    const quiet = tally.whole.then(() => Bun.sleep(QUIET_MS));
    const whole = Promise.race([quiet, until(deadline)]);
    const { cuts } = crowd;
    const all = Promise.all([measured(), watch(), whole]);
    const [share] = await Promise.race([all, crowd.failed]);
    crowd.tally = nothing(schedule.first + schedule.count);
    const { lost, doubled, doubledTo, early, ahead, inversions, staleness, completeAt } = tally;
    return {
      share,
      cuts: crowd.cuts - cuts,
      lost,
      doubled,
      doubledTo: doubledTo.size,
      // What nobody has published.
      early: early + ahead.length,
      inversions,
      staleness,
      lateness,
      completeAt,
    };
  },

  async close(): Promise<void> {
    await crowd?.close();
    crowd = undefined;
    Bun.gc(true);
  },
};

// A generator that is too slow, for the test that it is found out.
const wasting = (tally: Tally, us: number): Tally => {
  const hits = tally.hits.bind(tally);
  tally.hits = (subscriber, numbers, at) => {
    for (const end = now() + (us * numbers.length) / 1000; now() < end;);
    hits(subscriber, numbers, at);
  };
  return tally;
};

obey(orders);
