// The method, held to what it says, with servers and generators that are wrong on purpose.
import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { run } from "../../../scripts/launch.ts";
import type { Contender } from "../src/contender.ts";
import { audit } from "../src/audit.ts";
import { bench } from "../src/engine.ts";
import type { orders as AwakeOrders } from "../src/load/awake.ts";
import { Fleet } from "../src/load/fleet.ts";
import { command } from "../src/load/orders.ts";
import { now } from "../src/load/clock.ts";
import { stamped } from "../src/load/stamp.ts";
import { allowedCores, idly, places as placesHere, whyBlind } from "../src/machine.ts";
import { validateResult } from "../src/result.ts";
import type { Scenario } from "../src/scenario.ts";
import { burst } from "../src/scenarios/burst.ts";
import { fanOut } from "../src/scenarios/fan-out.ts";
import { frontier } from "../src/scenarios/frontier.ts";
import { idle } from "../src/scenarios/idle.ts";
import { storm } from "../src/scenarios/storm.ts";
import { settingsOf } from "../src/settings.ts";
import { quantile, total } from "../src/stats/histogram.ts";
import { judge, Trial, type StretchOptions } from "../src/trial.ts";
import { behind, mortal, streamOf, type Deliver } from "./servers.ts";

const places = { server: undefined, load: [], whyFree: "tests run side by side" };
const fleet = new Fleet(places);
const real = placesHere();
afterAll(() => fleet[Symbol.asyncDispose]());

const SUBSCRIBERS = 3;
const once = { ...settingsOf("quick"), rounds: 1 };
const brief = { ...once, subscribers: 2, measureMs: 200 };
const site = { pollMs: 0, backOffMs: 50, seed: 1, payloadBytes: 64 };
const stretch: StretchOptions = {
  rate: 20,
  warmUpMs: 0,
  measureMs: 600,
  seed: 1,
  patienceMs: 1_500,
};

const play = async (deliver: Deliver, options: Partial<StretchOptions> = {}) => {
  await using trial = await Trial.start({ fleet, places }, streamOf(deliver), site);
  await trial.open(SUBSCRIBERS);
  return await trial.play({ ...stretch, ...options });
};

class Calm extends Fleet {
  override async play(stretch: Parameters<Fleet["play"]>[0]) {
    return { ...(await super.play(stretch)), bottleneck: undefined };
  }
}

// Whether the machine had time for the generator is none of these tests' business.
const verdict = (account: Awaited<ReturnType<typeof play>>) =>
  judge({ ...account, bottleneck: undefined });

test("what arrives once and in order passes the gate", async () => {
  const seen = await play((send, event) => send(event));
  expect(verdict(seen)).toBeUndefined();
  expect(total(seen.staleness)).toBe(12 * SUBSCRIBERS);
  expect(total(seen.publish)).toBe(12);
});

test("what is dropped, doubled or out of order is found and counted", async () => {
  const dropping = await play((send, event, number) => number === 5 || send(event));
  expect(verdict(dropping)).toMatchObject({ kind: "failed", lost: SUBSCRIBERS, doubled: 0 });

  const doubling = await play((send, event, number) => {
    send(event);
    if (number === 5) send(event);
  });
  expect(verdict(doubling)).toMatchObject({ kind: "failed", lost: 0, doubled: SUBSCRIBERS });
  expect(doubling.doubledTo).toBe(SUBSCRIBERS);

  let late = "";
  const swapping = await play((send, event, number) => {
    if (number === 3) late = event;
    else send(event);
    if (number === 12) send(late);
  });
  expect(verdict(swapping)).toMatchObject({
    kind: "failed",
    lost: 0,
    doubled: 0,
    reordered: SUBSCRIBERS,
  });
}, 60_000);

test("what a server says again later on is found, at a run's end and between two stretches", async () => {
  let saidAfterMs = NaN;
  const sayAgain: Deliver = async (send, event, number) => {
    send(event);
    if (number !== 120) return;
    const saidAt = now();
    // When everybody has everything, and the time that is measured is over.
    await Bun.sleep(15);
    send(event);
    saidAfterMs = now() - saidAt;
  };
  let again = await play(sayAgain, { rate: 200 });
  // It is listened to for 50 ms: where the machine stalls for longer, nothing is said at a run's end.
  while (saidAfterMs > 35) again = await play(sayAgain, { rate: 200 });
  expect(verdict(again)).toMatchObject({ kind: "failed", lost: 0, doubled: SUBSCRIBERS });

  let repeat = () => {};
  const server = streamOf((send, event) => {
    send(event);
    repeat = () => send(event);
  });
  await using trial = await Trial.start({ fleet, places }, server, site);
  await trial.open(SUBSCRIBERS);
  const first = await trial.play(stretch);
  repeat();
  const second = await trial.play(stretch);
  expect([first, second].map(({ doubled }) => doubled)).toEqual([0, SUBSCRIBERS]);
}, 60_000);

test("what a stretch has published before a worker hears of it is counted in it, once", async () => {
  // A worker that the machine holds up has deliveries to read before its orders.
  class Late extends Fleet {
    ahead = () => {};
    override async play(stretch: Parameters<Fleet["play"]>[0]) {
      this.ahead();
      // By the time of so many answers the worker has read what was told.
      for (let times = 0; times < 50; times++) await this.openRest();
      return await super.play(stretch);
    }
  }
  await using late = new Late(places);
  const [first, second] = [0, 1].map((number) =>
    JSON.stringify({ type: "bench.tick", data: stamped(number, site.payloadBytes) }),
  );
  let tell = (_event: string) => {};
  const server = streamOf((send, event) => {
    tell = send;
    if (event !== second) send(event);
  });
  const one = { ...stretch, rate: 1, measureMs: 1_000 };
  await using trial = await Trial.start({ fleet: late, places }, server, site);
  await trial.open(SUBSCRIBERS);
  expect(await trial.play(one)).toMatchObject({ lost: 0, doubled: 0, early: 0 });
  late.ahead = () => tell(second ?? "");
  expect(await trial.play(one)).toMatchObject({ lost: 0, doubled: 0, early: SUBSCRIBERS });
  // What was in an earlier one came twice all the same.
  late.ahead = () => tell(first ?? "");
  expect(await trial.play(one)).toMatchObject({ lost: 0, doubled: SUBSCRIBERS });
}, 60_000);

test("what is delivered before it is published is found", async () => {
  const next = (event: string) =>
    event.replace(/~n\d+/, (stamp) => stamped(Number(stamp.slice(2)) + 1, stamp.length));
  // The second one is meant for a second later: no stall of the machine comes near that.
  const seen = await play(
    (send, event, number) => {
      if (number === 2) return;
      send(event);
      send(next(event));
    },
    { rate: 1, measureMs: 2_000 },
  );
  expect(seen).toMatchObject({ lost: 0, doubled: 0, early: SUBSCRIBERS });
  expect(verdict(seen)).toMatchObject({ reason: "3 deliveries came before they were published" });
});

test("a publisher that waits for answers leaves its core to the others", async () => {
  const slow: Deliver = async (send, event) => {
    await Bun.sleep(20);
    send(event);
  };
  // Some twenty answers are waited for at any time.
  const seen = await play(slow, { rate: 1_000, patienceMs: 5_000 });
  expect(seen).toMatchObject({ lost: 0, refused: 0 });
  expect(seen.generator.cpuPercent).toBeLessThan(33);
});

test("a busy generator excuses what is late or lost, and nothing else", async () => {
  const seen = await play((send, event) => send(event));
  const bottleneck = "the load generator used 95 % of its core";
  for (const excused of ["lost", "refused"])
    expect(judge({ ...seen, [excused]: 1, bottleneck })).toEqual({
      kind: "invalid",
      reason: bottleneck,
    });
  for (const violation of ["doubled", "reordered", "early"])
    expect(judge({ ...seen, [violation]: 1, bottleneck })).toMatchObject({ kind: "failed" });

  class Busy extends Fleet {
    override async play(stretch: Parameters<Fleet["play"]>[0]) {
      return { ...(await super.play(stretch)), bottleneck };
    }
  }
  await using busy = new Busy(places);
  const doubling = streamOf((send, event) => (send(event), send(event)));
  const [cell] = await burst.run({ fleet: busy, places }, doubling, settingsOf("quick"));
  expect(cell?.outcome).toMatchObject({
    kind: "failed",
    reason: expect.stringContaining("came twice"),
  });
}, 60_000);

test("a run says how busy and how late the generator was", async () => {
  await using calm = new Calm(places);
  const good = streamOf((send, event) => send(event));
  const settings = { ...settingsOf("quick"), subscribers: 2, measureMs: 200 };
  const [cell] = await fanOut.run({ fleet: calm, places }, good, settings);
  if (cell?.outcome.kind !== "measured") throw new Error("not measured");
  const { cpuPercent = 0, latenessP90Us = 0, latenessP99Us = 0 } = cell.outcome.generator ?? {};
  expect(cpuPercent).toBeGreaterThan(0);
  expect(latenessP90Us).toBeGreaterThan(0);
  expect(latenessP99Us).toBeGreaterThanOrEqual(latenessP90Us);
}, 60_000);

test("the audit gives the generator the run's payload, and holds it to account", async () => {
  const opened: number[] = [];
  class Doubling extends Fleet {
    override open(...[site, target, first]: Parameters<Fleet["open"]>) {
      opened.push(target.payloadBytes);
      return super.open(site, target, first);
    }
    override async play(stretch: Parameters<Fleet["play"]>[0]) {
      return { ...(await super.play(stretch)), doubled: 1, doubledTo: 1 };
    }
  }
  await using doubling = new Doubling(places);
  const lane = streamOf(() => {});
  const failed = audit({ fleet: doubling, places }, lane, 40_000);
  expect(await failed.catch(String)).toBe(
    "Error: the load generator fails its audit, sse: 1 deliveries came twice, to 1 of the subscribers",
  );
  expect(opened).toEqual([40_000]);
  expect(await audit({ fleet, places }, lane, 40_000)).toMatchObject({ lane: "sse" });

  // One that is too slow finds that out by itself.
  class Slow extends Fleet {
    override open(...[site, ...others]: Parameters<Fleet["open"]>) {
      return super.open({ ...site, wasteUs: 200 }, ...others);
    }
  }
  await using slow = new Slow(places);
  expect(await audit({ fleet: slow, places }, lane, 64)).toMatchObject({
    invalid: expect.stringMatching(/^the load generator (used|was) /),
  });
}, 60_000);

test("a stall delays all that was to be published meanwhile, and all of it shows", async () => {
  // A generator that waits for answers would publish one event late, and the others after it.
  const STALL_MS = 300;
  const seen = await play(
    (send, event, number) => {
      if (number === 10) Bun.sleepSync(STALL_MS);
      send(event);
    },
    { rate: 50 },
  );
  expect(verdict(seen)).toBeUndefined();
  for (const latency of [seen.staleness, seen.publish]) {
    expect(quantile(latency, 0.99)).toBeGreaterThan(0.8 * STALL_MS * 1000);
    // Half of the stall's fifteen events had to wait for more than its second half.
    expect(quantile(latency, 0.8)).toBeGreaterThan(0.2 * STALL_MS * 1000);
  }
});

test("publishing goes on while a server is away, and all that had to wait shows", async () => {
  const AWAY_MS = 500;
  const settings = { ...settingsOf("quick"), subscribers: SUBSCRIBERS, rate: 20 };
  await using calm = new Calm(places);
  const ground = { fleet: calm, places };
  const [whole] = await storm.run(ground, mortal({ awayMs: AWAY_MS }), settings);
  if (whole?.outcome.kind !== "measured") throw new Error(JSON.stringify(whole));
  const { metrics, staleness, publish } = whole.outcome;
  expect(metrics.wholeAfterMs).toBeGreaterThan(AWAY_MS);
  expect(metrics.doubled).toBe(0);
  if (!staleness || !publish) throw new Error("There are no histograms.");
  expect(total(staleness)).toBe(SUBSCRIBERS * total(publish));
  // More than a quarter is due in the first half of the outage, and has to wait for the second.
  expect(quantile(publish, 0.8)).toBeGreaterThan((AWAY_MS / 2) * 1000);
  expect(quantile(staleness, 0.8)).toBeGreaterThan((AWAY_MS / 2) * 1000);

  const forgetful = mortal({ awayMs: AWAY_MS, forgets: true });
  await using trial = await Trial.start(ground, forgetful, site);
  await trial.open(SUBSCRIBERS);
  expect(verdict(await trial.crash(stretch))).toMatchObject({ kind: "failed", doubled: 0 });
}, 60_000);

test("whose server starts late has no part in the fleet of those who come after", async () => {
  const ground = { fleet, places };
  const starting = Trial.start(
    ground,
    streamOf(() => {}),
    site,
  );
  // This one would refuse.
  ground.fleet = Object.create(Fleet.prototype);
  await using trial = await starting;
  await trial.open(SUBSCRIBERS);
});

test.skipIf(real.whyFree !== undefined)(
  "the bench stays away from the server's core, and goes back when it has ended",
  async () => {
    const before = allowedCores();
    const seen: (readonly number[])[] = [];
    const good = streamOf((send, event) => send(event));
    const watched: Contender = {
      ...good,
      start(options) {
        seen.push(allowedCores());
        return good.start(options);
      },
    };
    const work = { scenarios: [fanOut], contenders: [watched], settings: brief, flags: [] };
    await bench(work);
    expect(seen[0]).toEqual(real.load);
    expect(allowedCores()).toEqual(before);
  },
  60_000,
);

test.skipIf(real.whyFree !== undefined)(
  "the server's core is looked at for as long as the server is measured",
  async () => {
    const server = streamOf((send, event) => send(event));
    await using pinned = new Fleet(real);
    await using trial = await Trial.start({ fleet: pinned, places: real }, server, site);
    await trial.open(1);
    // The probe shares the core with the other tests, and may wait for it now and then.
    const looks = [await trial.play({ ...stretch, measureMs: 2_000 }), await trial.play(stretch)];
    const [long = [], short = []] = looks.map(({ coreUs }) => coreUs);
    expect(short.length).toBeGreaterThan(0);
    expect(long.length).toBeGreaterThan(short.length);
    expect(Math.min(...long, ...short)).toBeGreaterThan(0);
  },
  60_000,
);

test.skipIf(whyBlind() !== undefined)(
  "who keeps a core awake has it only while nobody else wants it",
  async () => {
    const prefix = idly() ?? [];
    const script = resolve(import.meta.dir, "../src/load/awake.ts");
    await using awake = command<typeof AwakeOrders>(script, prefix);
    await awake.tell("stayAwake", { from: now(), to: now() + 20 });
    const stat = readFileSync(`/proc/${awake.pid}/stat`, "utf8");
    // proc_pid_stat(5): behind the name in brackets come the state, which is field 3, and so on.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [session, policy] = [fields[6 - 3], fields[41 - 3]].map(Number);
    const [SCHED_OTHER, SCHED_IDLE] = [0, 5];
    expect(policy).toBe(prefix.length > 0 ? SCHED_IDLE : SCHED_OTHER);
    // It would make all others of its session the least of all as well.
    expect(session === awake.pid).toBe(prefix.length > 0);
  },
);

test.skipIf(real.whyFree !== undefined)(
  "a generator has no more cores than processes",
  async () => {
    const [core = 0] = real.load;
    await using crowded = new Fleet({
      server: undefined,
      load: Array.from({ length: 9 }, () => core),
    });
    expect(crowded.cores).toBe(5);
  },
);

// Without /proc there is no memory to be read.
test.skipIf(whyBlind() !== undefined)(
  "what a server takes for whoever comes first is no subscriber's memory",
  async () => {
    const contender = {
      ...streamOf(() => {}),
      async start() {
        const server = run("heavy", ["packages/bench/test/heavy-server.ts"], { onLine: () => {} });
        return { ...server, url: await server.ready };
      },
    };
    await using trial = await Trial.start({ fleet, places }, contender, site);
    await trial.openWeighed(200);
    // 60 MB once, and 200 kB for each: shared out, that would be 500 kB.
    const { rssBytesPerSubscriber } = trial.memory();
    expect(rssBytesPerSubscriber).toBeGreaterThan(150_000);
    expect(rssBytesPerSubscriber).toBeLessThan(300_000);
  },
  60_000,
);

test("a server that does not start is its own failure, and the others go on", async () => {
  const good = streamOf((send, event) => send(event));
  const bad = {
    ...good,
    name: "sse/bad",
    title: "None",
    start: () => Promise.reject(new Error("no port")),
  };
  const work = { scenarios: [fanOut], contenders: [bad, good], settings: brief, flags: [] };
  const { runs } = validateResult(await bench(work));
  const outcomes = new Map(runs.map(({ contender, outcome }) => [contender, outcome]));
  expect(outcomes.get("sse/bad")).toMatchObject({ kind: "failed", reason: "no port" });
  expect(outcomes.get(good.name)?.kind).not.toBe("failed");
}, 60_000);

test("a server that ends when somebody comes is not waited for", async () => {
  const gone = behind(
    streamOf(() => {}),
    (leave) => ({ open: leave, data() {} }),
  );
  const work = { scenarios: [fanOut], contenders: [gone], settings: brief, flags: [] };
  const { runs } = await bench(work);
  for (const { outcome } of runs)
    expect(outcome).toMatchObject({
      kind: "failed",
      reason: "the server ended when its subscribers came",
    });
}, 60_000);

test("a bench without options leaves out the rounds for which its time is too short", async () => {
  const long: Scenario = {
    ...fanOut,
    estimateMs: () => 200_000,
    run: async () => [{ params: {}, outcome: { kind: "not applicable", reason: "not played" } }],
  };
  const contenders = [1, 2].map((place) => ({
    ...streamOf(() => {}),
    ...{ name: `${place}`, title: `${place}`, lane: "not audited" },
  }));
  const roundsOf = async (isShort: boolean) => {
    const settings = { ...brief, rounds: 3, isShort };
    const { runs, method } = await bench({ scenarios: [long], contenders, settings, flags: [] });
    return [method.rounds, ...new Set(runs.map((run) => `${run.contender} ${run.round}`))].sort();
  };
  expect(await roundsOf(true)).toEqual([1, "1 1", "2 1"]);
  expect(await roundsOf(false)).toEqual([3, "1 1", "1 2", "1 3", "2 1", "2 2", "2 3"].sort());
}, 60_000);

test("who does not end is ended, and who has failed is not tried again", async () => {
  const signals: (AbortSignal | undefined)[] = [];
  const hung: Contender = {
    ...streamOf(() => {}),
    start: ({ signal }) => (signals.push(signal), new Promise(() => {})),
  };
  const work = { scenarios: [fanOut], contenders: [hung], settings: { ...brief, rounds: 3 } };
  const { runs } = await bench({ ...work, flags: [], patienceMs: 1 });
  expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
  expect(runs.map(({ outcome }) => outcome)).toEqual([
    expect.objectContaining({ kind: "failed", reason: expect.stringMatching(/^did not end/) }),
  ]);
}, 60_000);

test("a run's failure is told, and not that of clearing up after it", async () => {
  class Dying extends Fleet {
    override play(): ReturnType<Fleet["play"]> {
      return Promise.reject(new Error("the first thing that went wrong"));
    }
    override close(): Promise<void> {
      return Promise.reject(new Error("the second"));
    }
  }
  const createFleet = () => new Dying(places);
  const contenders = [{ ...streamOf(() => {}), lane: "not audited" }] as const;
  const work = { scenarios: [fanOut], contenders, settings: brief, flags: [], createFleet };
  const { runs } = validateResult(await bench(work));
  for (const { outcome } of runs)
    expect(outcome).toMatchObject({ reason: "the first thing that went wrong" });
}, 60_000);

test("who cuts those that are idle is not cheap", async () => {
  const silent = streamOf(() => {});
  const cutting = behind(silent, () => ({
    data(socket) {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n");
      // When one is measured.
      setTimeout(() => socket.end(), 100);
    },
  }));
  const settings = { ...brief, subscribers: 2 };
  const [cell] = await idle.run({ fleet, places }, cutting, settings);
  expect(cell?.outcome).toMatchObject({
    kind: "failed",
    reason: expect.stringMatching(/connections were closed while nothing happened$/),
  });
  const [calm] = await idle.run({ fleet, places }, silent, settings);
  expect(calm?.outcome.kind).not.toBe("failed");
}, 60_000);

test("a server that is killed too late for the schedule makes no figure", async () => {
  class Stalling extends Fleet {
    override play(stretch: Parameters<Fleet["play"]>[0]) {
      // The bench has no time until the first events are published.
      if (stretch.persistent) Bun.sleepSync(300);
      return super.play(stretch);
    }
  }
  await using stalling = new Stalling(places);
  const settings = { ...settingsOf("quick"), subscribers: 1, rate: 20 };
  const [cell] = await storm.run({ fleet: stalling, places }, mortal({ awayMs: 0 }), settings);
  expect(cell?.outcome).toEqual({
    kind: "invalid",
    reason: "the bench killed the server too late",
  });
}, 60_000);

test("deliveries are counted, and not what should have been delivered", async () => {
  const arrivals: number[] = [];
  // Loses what comes too fast: about 200 in a second is too much.
  const narrow = streamOf((send, event) => {
    arrivals.push(now());
    if (now() - (arrivals.at(-62) ?? 0) > 300) send(event);
  });
  const settings = { ...settingsOf("quick"), subscribers: SUBSCRIBERS };
  await using calm = new Calm(places);
  const [cell] = await burst.run({ fleet: calm, places }, narrow, settings);
  if (cell?.outcome.kind !== "measured") throw new Error(JSON.stringify(cell));
  const { highestRate = NaN, deliveredPerSecond = NaN } = cell.outcome.metrics;
  const share = deliveredPerSecond / (highestRate * SUBSCRIBERS);
  expect(share).not.toBe(1);
  expect(Math.abs(share - 1)).toBeLessThan(0.5);

  // The next round begins where this one has ended.
  const [next] = await burst.run({ fleet: calm, places }, narrow, settings, [cell.outcome]);
  if (next?.outcome.kind !== "measured") throw new Error(JSON.stringify(next));
  expect(next.outcome.samples?.["rate"]?.[0]).toBe(highestRate);
}, 60_000);

test("burst tries again what the machine was too busy for, and not for ever", async () => {
  const good = streamOf((send, event) => send(event));
  // Late with little to do, and with a delivery less, as long as it lasts.
  const disturbed = (times: number) =>
    new (class extends Fleet {
      #left = times;
      override async play(stretch: Parameters<Fleet["play"]>[0]) {
        const account = await super.play(stretch);
        const isWarmUp = stretch.measureFrom === stretch.schedule.startAt;
        if (isWarmUp || this.#left-- <= 0) return { ...account, bottleneck: undefined };
        const generator = { ...account.generator, cpuPercent: 5 };
        return { ...account, generator, lost: 1, bottleneck: "late" };
      }
    })(places);
  const settings = { ...settingsOf("quick"), subscribers: 1 };
  await using little = disturbed(2);
  const [some] = await burst.run({ fleet: little, places }, good, settings);
  expect(some?.outcome.kind).toBe("measured");
  await using much = disturbed(Infinity);
  const [none] = await burst.run({ fleet: much, places }, good, settings);
  expect(none?.outcome).toMatchObject({
    kind: "invalid",
    reason: expect.stringMatching(/late$/),
  });
}, 60_000);

test("burst leaves a server that still has something of its warm-up to deliver", async () => {
  let [servers, late, heldAt] = [0, "", 0];
  const told: number[] = [];
  const slow = streamOf((send, event, number) => {
    if (number === 1) servers++;
    told[servers] = number;
    // The very first event comes when nobody waits for it any longer, and so would come twice.
    if (late !== "" && servers === 1 && now() - heldAt > 1_000) send(late);
    if (late !== "") return void send(event);
    [late, heldAt] = [event, now()];
  });
  const settings = { ...settingsOf("quick"), subscribers: 1 };
  await using calm = new Calm(places);
  const [cell] = await burst.run({ fleet: calm, places }, slow, settings);
  expect(cell?.outcome.kind).toBe("measured");
  const [, first = NaN, second = NaN] = told;
  expect(first).toBeLessThan(10);
  expect(second).toBeGreaterThan(first);
}, 60_000);

test("fan-out warms a server up faster than it measures, and what is wrong then is wrong with the run", async () => {
  const rates: number[] = [];
  class Watched extends Calm {
    override play(stretch: Parameters<Fleet["play"]>[0]) {
      rates.push(stretch.schedule.perSecond);
      return super.play(stretch);
    }
  }
  await using watched = new Watched(places);
  const settings = { ...brief, warmUpMs: 100 };
  const outcomeOf = async (deliver: Deliver, more: Partial<typeof settings> = {}) => {
    const ground = { fleet: watched, places };
    const [cell] = await fanOut.run(ground, streamOf(deliver), { ...settings, ...more });
    return cell?.outcome;
  };
  let published = 0;
  const measured = await outcomeOf((send, event, number) => {
    published = number;
    send(event);
  });
  // Twenty of the warm-up, and four that count, to two subscribers.
  expect(published).toBe(24);
  if (measured?.kind !== "measured" || !measured.staleness) throw new Error("It has no staleness.");
  expect(total(measured.staleness)).toBe(8);
  const twice = await outcomeOf((send, event, number) => {
    send(event);
    if (number === 1) send(event);
  });
  expect(twice).toMatchObject({ kind: "failed", lost: 0, doubled: 2 });
  // Nobody is asked for more than 200/s because of the warm-up.
  await outcomeOf((send, event) => send(event), { rate: 50 });
  await outcomeOf((send, event) => send(event), { rate: 300 });
  expect(rates).toEqual([200, 20, 200, 200, 50, 300, 300]);
}, 60_000);

test("an invalid run is played once more, and no more than that", async () => {
  const good = streamOf((send, event) => send(event));
  const played = async (disturbed: number) => {
    let plays = 0;
    class Disturbed extends Fleet {
      override async play(stretch: Parameters<Fleet["play"]>[0]) {
        const account = await super.play(stretch);
        // Of a warm-up nothing is measured.
        if (stretch.measureTo === stretch.measureFrom) return account;
        // The first is the audit.
        const isLate = plays > 0 && plays <= disturbed;
        plays++;
        return { ...account, bottleneck: isLate ? "late" : undefined };
      }
    }
    const settings = { ...brief, subscribers: 1 };
    const contenders = [good];
    const createFleet = () => new Disturbed(places);
    const work = { scenarios: [fanOut], contenders, settings, flags: [] };
    const { runs } = await bench({ ...work, createFleet });
    return { kinds: runs.map(({ outcome }) => outcome.kind), plays };
  };
  // A and B.
  expect(await played(1)).toEqual({ kinds: ["measured", "measured"], plays: 4 });
  expect(await played(2)).toEqual({ kinds: ["invalid", "measured"], plays: 4 });
}, 60_000);

test("a run that fails voids all of its cells, and all that it can no longer try", async () => {
  const settings = { ...once, subscribers: SUBSCRIBERS };
  const dead = streamOf(() => {});
  const contenders = [
    { ...dead, kind: "tidings", start: () => Promise.reject(new Error("no port")) },
  ] as const;
  const result = await bench({ scenarios: [frontier], contenders, settings, flags: [] });
  const { runs } = validateResult(result);
  const forgetful = streamOf((send, event, number) => number === 2 || send(event));
  await using calm = new Calm(places);
  const played = await frontier.run({ fleet: calm, places }, forgetful, settings);
  for (const [cells, reason] of [
    [runs.filter(({ replica }) => replica !== "B"), "no port"],
    [played, "had not arrived in time"],
  ] as const) {
    expect(cells.map(({ params }) => params.rate)).toEqual([16, 80]);
    for (const { outcome } of cells)
      expect(outcome.kind === "failed" && outcome.reason).toContain(reason);
  }
}, 60_000);

test("a process of the generator that dies leaves nobody waiting", async () => {
  await using mortal = new Fleet(places);
  const waiting = mortal.open(
    { ...site, wire: { kind: "stream", path: "/" }, url: "http://127.0.0.1:1", subscribers: 1 },
    { path: "/", payloadBytes: 64 },
  );
  const failed = waiting.catch(String);
  await mortal[Symbol.asyncDispose]();
  expect(await failed).toEndWith("has ended.");
  expect(await mortal.close().catch(String)).toEndWith("has ended.");
});

test("a generator that is too slow is found out", async () => {
  await using server = await streamOf((send, event) => send(event)).start({ prefix: [] });
  const slow = { wire: { kind: "stream", path: "/events" }, wasteUs: 8_000 } as const;
  await fleet.open(
    { ...site, ...slow, url: server.url, subscribers: 5 },
    { path: "/events", payloadBytes: 64 },
  );
  const startAt = now() + 50;
  const [measureFrom, measureTo] = [startAt + 100, startAt + 400];
  const schedule = { first: 0, count: 20, perSecond: 50, startAt, seed: 1 };
  const deadline = measureTo + 1_000;
  const account = await fleet.play({ schedule, measureFrom, measureTo, deadline });
  await fleet.close();
  expect(judge(account)).toMatchObject({
    kind: "invalid",
    reason: expect.stringMatching(
      /^the load generator (used \d+ % of its core|was \d+ ms behind its clock)$/,
    ),
  });
});
