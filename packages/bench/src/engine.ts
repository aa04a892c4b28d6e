// The method.
//
// Each run has a server of its own, fresh, as a process on a core of its own; burst and frontier
// have a fresh one wherever the last one's backlog or interval would be in the way. The load
// generator has the other cores: processes that hold the subscribers, one that publishes, and the
// bench itself, which looks at the server's CPU every 100 ms. Where the system cannot pin processes,
// the result says so. A process of the generator whose sockets are meant to be given more than 50,000
// deliveries a second, as nearly everywhere in burst, reads all of a millisecond at a time.
//
// The loop is open. When each event is to be published is settled before the run begins, and
// whatever the server does, it is published then. Both latencies count from that intended moment,
// so that a server that stalls is charged with everything that had to wait: staleness, until a
// subscriber had the event, and publish latency, until the publisher had its answer. That a server
// is killed changes nothing: what nobody takes is tried again, and is late.
//
// A run warms up, and only then it is measured. In fan-out it warms up at up to ten times the rate,
// until everybody has everything: a runtime compiles what it does often, and collects garbage by the
// clock, so all servers of a scenario are equally old, and have done the same, when they are measured.
// Each round goes over all scenarios and their contenders, in an order of its own from a seed. There
// are five, and then up to eight more of fan-out. A bench without options has as many as its three
// minutes have room for, which on a machine that is slow or busy may be fewer. In fan-out each
// technique runs twice in each round (A and B), and with `--full` one of them everywhere: how far it is
// from itself is the noise. Three minutes have no room for burst: it is played with `--full`, and for
// whoever chooses contenders, peers, a scenario or rounds.
//
// A figure is the median of its rounds, with a 95 % interval of percentiles from a bootstrap. Two
// contenders are compared by their ratio within each round: where its interval holds 1, or it is within
// the noise, they are a tie.
//
// Where processes can be pinned, one more does the same small work on the server's core every 20 ms,
// about 1 % of it. What that takes shows how quick the core is at the time: it moves with what else
// the machine has to do, and what the server takes moves with it. Figures are not corrected by it;
// `bench compare` takes it out of the differences that it judges. And where the system has a way to run
// a process only while nobody else wants its core, one keeps the server's core awake from the beginning
// of the schedule on: what a core takes that has slept depends on how deep it was let sleep.
//
// What a server costs is read from the operating system: CPU time and memory of its process and its
// children. Memory per subscriber is what the last three quarters of them add: what is taken for
// whoever comes first is not shared out. Bytes and requests are the generator's own counts.
//
// Correctness comes first. Every event carries its number, and every subscriber is held to account
// for each: what is lost, doubled, out of order, or delivered before it is published, makes the run
// a failed one, without a figure. Two publications whose requests overlapped have no order to be
// kept. Who has everything is listened to for 50 ms more, and what comes between two stretches of a
// run is doubled in the second one. An event is delivered when its message has come whole.
//
// Chance comes from the seed and the round: the moments of publication, and for each subscriber, by
// its place, the jitter of its polls (±10 %) and of its pauses after a cut. In one round all
// contenders have the same.
//
// The generator is audited. Before anything else it measures itself against a server that does
// nothing but write, with the payload of the runs. In each run its own CPU and its own lateness are
// watched, and kept with the figures. Where it used more than 90 % of a core, or was more than 10 ms
// late one time in ten (of few publications: once; idle: 100 ms, storm: 50 ms), the run is invalid, unless
// the server has done what no generator can make it do: doubled, reordered or early deliveries fail the
// run. An invalid run is played once more, for what disturbed it may be over; without options, while there
// is time. In burst a rate that was held was held, however busy the generator was.
import { audit, canAudit, AUDIT_MS } from "./audit.ts";
import { rests, type Contender } from "./contender.ts";
import { lanes } from "./contenders.ts";
import { conditionsOf } from "./conditions.ts";
import { Fleet } from "./load/fleet.ts";
import { places, stayOn, type Places } from "./machine.ts";
import { planOf, type Planned, type Selection } from "./plan.ts";
import { SCHEMA, type Audit, type Params, type Result, type Run } from "./result.ts";
import { failure, type Cell } from "./scenario.ts";
import type { Settings } from "./settings.ts";
import type { Ground } from "./trial.ts";

/** What a bench is doing. */
export interface Progress {
  /** `fan-out: sse, round 2 of 5`. */
  readonly what: string;
  /** From 0 to 1. */
  readonly done: number;
  readonly leftMs: number;
}

export interface BenchOptions extends Selection {
  readonly settings: Settings;
  /** What the command was given, for the record. */
  readonly flags: readonly string[];
  /** Of each peer. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Default: a new `Fleet`. */
  readonly createFleet?: ((places: Places) => Fleet) | undefined;
  /** How much longer than it should a run may take, in milliseconds. Default 60,000; if short, 20,000. */
  readonly patienceMs?: number | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly onAudit?: ((audits: readonly Audit[]) => unknown) | undefined;
}

/** How long a bench takes, about, in milliseconds. */
export const estimateMs = (selection: Selection, settings: Settings): number => {
  const all = auditMs(selection) + takes(planOf(selection, settings));
  return Math.min(all, limitOf(settings));
};

// A bench without options is done in three minutes, a quick one in half of one: as many rounds are played as
// there is room for, and what was invalid is played once more while all that it should have fit in.
const limitOf = ({ isShort, mode }: Settings): number =>
  isShort ? (mode === "quick" ? 31_000 : 172_000) : Infinity;

const takes = (plan: readonly Planned[]) => sum(plan.map((planned) => planned.estimateMs));

// Contenders of one lane are received in one way.
const toAudit = ({ contenders }: Selection) =>
  lanes.filter(({ lane, wire }) => canAudit(wire) && contenders.some((one) => one.lane === lane));
const auditMs = (selection: Selection) => toAudit(selection).length * AUDIT_MS;
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** Measures. Whatever goes wrong in a run is that run's outcome. */
export const bench = async (options: BenchOptions): Promise<Result> => {
  const { settings, contenders, scenarios, flags, versions = {}, onProgress, onAudit } = options;
  const { createFleet = (places) => new Fleet(places) } = options;
  const { patienceMs = settings.isShort ? 20_000 : 60_000 } = options;
  const startedAt = new Date();
  const begun = performance.now();
  const where = places();
  // What is done here must not disturb the servers on their core.
  using _ = stayOn(...where.load);
  const fleet = createFleet(where);
  const ground = { fleet, places: where, createFleet, patienceMs };
  const plan = planOf(options, settings);
  const played = scenarios.filter((one) => plan.some(({ scenario }) => scenario === one));
  const limitMs = limitOf(settings);
  let doneMs = 0;
  const progress = (what: string, takesMs: number) => {
    const spentMs = performance.now() - begun;
    // What has been seen so far corrects the estimate of what is left.
    const pace = doneMs > 0 ? spentMs / doneMs : 1;
    const allMs = (auditMs(options) + takes(plan) - doneMs) * pace;
    const leftMs = Math.max(takesMs, Math.min(allMs, limitMs - spentMs));
    onProgress?.({ what, done: spentMs / (spentMs + leftMs), leftMs });
  };
  try {
    const audits: Audit[] = [];
    for (const lane of toAudit(options)) {
      progress(`the load generator itself, ${lane.name}`, AUDIT_MS);
      audits.push(await audit(ground, lane, settings.payloadBytes));
      doneMs += AUDIT_MS;
    }
    onAudit?.(audits);
    const runs: Run[] = [];
    for (const [place, planned] of plan.entries()) {
      const { scenario, round, order } = planned;
      const left = plan.slice(place);
      const thisRound = left.filter((one) => one.scenario === scenario && one.round === round);
      const allRounds = left.filter((one) => one.round <= Math.max(round, settings.rounds));
      const hasTimeFor = (some: readonly Planned[]) =>
        performance.now() - begun + takes(some) < limitMs;
      if (order === 1 && round > 1 && !hasTimeFor(thisRound)) break;
      const hasTime = hasTimeFor([planned, ...allRounds]);
      progress(nameOf(planned, plan, settings), planned.estimateMs);
      runs.push(...(await play(ground, planned, settings, runs, hasTime)));
      doneMs += planned.estimateMs;
    }
    onProgress?.({ what: "done", done: 1, leftMs: 0 });
    return {
      schema: SCHEMA,
      startedAt: startedAt.toISOString(),
      tookMs: performance.now() - begun,
      conditions: conditionsOf(where, flags, versions),
      method: {
        rounds: Math.max(1, ...runs.map(({ round }) => round)),
        warmUpMs: settings.warmUpMs,
        measureMs: settings.measureMs,
        seed: settings.seed,
      },
      audit: audits,
      contenders: contenders.map(named),
      scenarios: played.map(({ name, title, question, params }) => ({
        name,
        title,
        question,
        params: params(settings),
      })),
      runs,
    };
  } finally {
    await ground.fleet[Symbol.asyncDispose]();
  }
};

const named = ({ name, title, kind, deviations }: Contender) => ({ name, title, kind, deviations });

const nameOf = (
  { scenario, contender, round, replica }: Planned,
  plan: readonly Planned[],
  { isShort, rounds }: Settings,
) => {
  const last = Math.max(...plan.filter((p) => p.scenario === scenario).map((p) => p.round));
  // Without options nobody knows how many more there will be.
  const known = isShort ? Math.min(last, rounds) : last;
  const which = `round ${round}${round > known ? "" : ` of ${known}`}`;
  const again = replica === "B" ? " again" : "";
  return `${scenario.name}: ${contender.name}${again}${last > 1 ? `, ${which}` : ""}`;
};

interface Yard extends Ground {
  fleet: Fleet;
  readonly createFleet: (places: Places) => Fleet;
  readonly patienceMs: number;
}

const play = async (
  ground: Yard,
  planned: Planned,
  settings: Settings,
  before: readonly Run[],
  hasTime: boolean,
): Promise<readonly Run[]> => {
  const { scenario, contender, round, order, replica } = planned;
  const startedAt = new Date().toISOString();
  const own = before.filter(
    (run) => run.scenario === scenario.name && run.contender === contender.name,
  );
  // One round that fails voids all others: they need not be played.
  const rounds = Map.groupBy(own, (run) => `${run.round} ${run.replica}`).values();
  if (rounds.some((runs) => runs.every(({ outcome }) => outcome.kind === "failed"))) return [];
  const earlier = own.filter((run) => run.replica === replica).map(({ outcome }) => outcome);
  const failed = (reason: string): readonly Cell[] =>
    scenario.cells(contender, settings).map((params) => ({ params, outcome: failure(reason) }));
  const attempt = async (): Promise<readonly Cell[]> => {
    const abandon = new AbortController();
    const { signal } = abandon;
    const running = scenario.run(
      { ...ground, signal },
      contender,
      inRound(settings, round),
      earlier,
    );
    try {
      return await inTime(running, planned.estimateMs + ground.patienceMs);
    } catch (error) {
      const reason = reasonOf(error);
      abandon.abort();
      // Nobody knows what the generator is in the middle of.
      await ground.fleet[Symbol.asyncDispose]();
      ground.fleet = ground.createFleet(ground.places);
      return failed(reason);
    }
  };
  const first = await attempt();
  // What disturbed the generator may be over.
  const isInvalid = first.some(({ outcome }) => outcome.kind === "invalid");
  const cells = isInvalid && hasTime ? await attempt() : first;
  const common = { scenario: scenario.name, contender: contender.name, round, order, startedAt };
  return cells.map(({ params, outcome }) => ({
    ...common,
    ...(replica ? { replica } : {}),
    params: ownParams(contender, { ...scenario.params(settings), ...params }),
    outcome,
  }));
};

// Who does not rest between polls does the same work whatever the pause is.
const ownParams = (contender: Contender, params: Params): Params =>
  Object.fromEntries(
    Object.entries(params).filter(([name]) => name !== "pollMs" || rests(contender)),
  );

// Each round has luck of its own, and everybody in it the same.
const inRound = (settings: Settings, round: number): Settings => ({
  ...settings,
  seed: settings.seed + round,
});

/** What went wrong first: what went wrong in clearing up after it says less. */
const reasonOf = (error: unknown): string =>
  error instanceof SuppressedError
    ? reasonOf(error.suppressed)
    : (error instanceof Error ? error.message : `${error}`) || "nobody knows why";

const inTime = async <Value>(work: Promise<Value>, mostMs: number): Promise<Value> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = new Error(`did not end in ${Math.round(mostMs / 1000)} s`);
  const timer = setTimeout(reject, mostMs, late);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
};
