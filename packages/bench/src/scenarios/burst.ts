import type { Contender } from "../contender.ts";
import type { Failed, Generator, Invalid, Outcome } from "../result.ts";
import { failure, type Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { median } from "../stats/bootstrap.ts";
import { quantile } from "../stats/histogram.ts";
import { RATE_STEP } from "../stats/noise.ts";
import { judge, longestPauseMs, Trial } from "../trial.ts";
import { BACK_OFF_MS, OPEN_MS, START_MS, STRETCH_MS } from "./common.ts";

const work = ({ mode, subscribers, payloadBytes }: Settings) => ({
  subscribers: subscribers ?? 50,
  payloadBytes,
  pollMs: 200,
  /** What the p99 of the staleness must stay under, beside what a poll waits by design. */
  boundMs: 100,
  /**
   * In so short a time a backlog stays under the bound up to a fifth above what can be kept up (with
   * --full a tenth): less than the grid.
   */
  measureMs: mode === "full" ? 1_000 : 400,
});

/** What is tried: each no more than a third above the one before it, or one event. */
const RATES: number[] = [];
for (let rate = 1; rate <= 65_536; rate = Math.max(rate + 1, Math.floor(rate * RATE_STEP)))
  RATES.push(rate);
const FIRST = 2_070;
// As it goes mostly: half of them fail.
const [STEPS, SERVERS] = [4, 2];
// So often in a run one tries again what the machine was too busy for with something else: the
// generator was late, and had no more to do than this.
const PATIENCE = 5;
const LITTLE_PERCENT = 50;

// What everybody can take.
const LEAST = 29;
const WARM_UP_MS = 150;
const warmUp = (rate: number, { seed }: Settings) => ({
  rate,
  seed,
  warmUpMs: 0,
  measureMs: WARM_UP_MS,
});

// Polls that rest in between are in their stride only when all of them have asked once.
const warmUpMs = (contender: Contender, settings: Settings) =>
  Math.max(100, longestPauseMs(contender, work(settings)));

/** Events come faster and faster. */
export const burst: Scenario = {
  name: "burst",
  title: "Burst",
  question: "How many events in a second can be delivered, in time and without loss?",
  isLong: true,
  ignores: ["rate"],
  params: work,
  cells: () => [{}],
  estimateMs: (contender, settings) =>
    SERVERS * (START_MS + OPEN_MS + STRETCH_MS + WARM_UP_MS + 2 * work(settings).boundMs) +
    STEPS *
      (STRETCH_MS +
        warmUpMs(contender, settings) +
        work(settings).measureMs +
        longestPauseMs(contender, work(settings))),

  async run(ground, contender, settings, earlier = []) {
    const { subscribers, payloadBytes, pollMs } = work(settings);
    const options = { payloadBytes, pollMs, seed: settings.seed, backOffMs: BACK_OFF_MS };
    const held = earlier.flatMap((outcome) =>
      outcome.kind === "measured" ? (outcome.metrics.highestRate ?? []) : [],
    );
    const known = held.length > 0 ? median(held) : undefined;
    const half = known && Math.ceil(known / 2);
    const steps: Step[] = [];
    let disturbed = 0;
    let isTooWarm = false;
    let rate = nextRate(steps, known);
    while (rate !== undefined) {
      await using trial = await Trial.start(ground, contender, options);
      await trial.open(subscribers);
      // What has never done anything is slow. How that goes is told of nobody.
      const warmth = warmUp(edge(steps).good?.rate ?? half ?? LEAST, settings);
      // What is then still on its way would come twice for the first step: the next server goes unwarmed.
      isTooWarm = !isTooWarm && (await trial.play(warmth)).lost > 0;
      if (isTooWarm) continue;
      for (let isFresh = true; isFresh && rate !== undefined; rate = nextRate(steps, known)) {
        const step = await play(trial, settings, rate);
        // Nothing excuses what is doubled, out of order or early.
        if (step.isBroken && step.problem) return [{ params: {}, outcome: step.problem }];
        // Who has failed has a backlog, so the next step is another server's.
        isFresh = step.problem === undefined;
        if (!step.isDisturbed || ++disturbed > PATIENCE) steps.push(step);
      }
    }
    return [{ params: {}, outcome: outcomeOf(steps, contender, { pollMs }) }];
  },
};

/**
 * What is to be tried next; undefined when the edge is known. Where it was in earlier rounds, the
 * edge is `known`, about: one looks there, and then on either side of it, farther each time. Else who
 * was given too much shows what he can take, about; where that is no help, it is the middle of what
 * is left.
 */
export const nextRate = (
  steps: readonly Pick<Step, "rate" | "problem" | "takenPerSecond">[],
  known?: number,
): number | undefined => {
  const placeOf = (most: number) => RATES.findLastIndex((rate) => rate <= most);
  if (steps.length === 0) return RATES[placeOf(known ?? FIRST)];
  const { good, bad } = edge(steps);
  const low = good ? RATES.indexOf(good.rate) : -1;
  const high = bad ? RATES.indexOf(bad.rate) : RATES.length;
  if (high - low <= 1) return undefined;
  const middle = Math.floor((low + high) / 2);
  if (known !== undefined && !(good && bad)) {
    const stride = 2 ** (steps.length - 1);
    return RATES[good ? Math.min(low + stride, middle) : Math.max(high - stride, middle)];
  }
  const guess = placeOf(bad?.takenPerSecond ?? 0);
  const least = Math.max(1, Math.floor((high - low) / 4));
  const isHelp = guess >= low + least && guess <= high - least;
  return RATES[isHelp ? guess : middle];
};

interface Step {
  readonly rate: number;
  readonly deliveredPerSecond: number;
  /** Events per second that reached the subscribers, meanwhile. */
  readonly takenPerSecond: number;
  readonly p99Us: number;
  readonly generator: Generator;
  /** Why it failed; undefined when it did not. */
  readonly problem: Failed | Invalid | undefined;
  /** The generator was late with little to do: the machine had something else to do. */
  readonly isDisturbed: boolean;
  /** What no load excuses. */
  readonly isBroken: boolean;
}

const play = async (trial: Trial, settings: Settings, rate: number): Promise<Step> => {
  const { boundMs, measureMs } = work(settings);
  const seen = await trial.play({
    rate,
    warmUpMs: warmUpMs(trial.contender, settings),
    measureMs,
    seed: settings.seed,
    patienceMs: 2 * boundMs,
  });
  // Of what nobody was given it is known that it is later than all that was waited for.
  const p99Us = quantile(seen.staleness, 0.99) ?? (measureMs + 2 * boundMs) * 1000;
  const allowedMs = boundMs + longestPauseMs(trial.contender, trial.options);
  const failed = judge({ ...seen, bottleneck: undefined });
  const broken = failed && { ...failed, reason: `at ${rate}/s ${failed.reason}` };
  const late = p99Us > allowedMs * 1000 && `the p99 is ${Math.round(p99Us / 1000)} ms`;
  const problem = broken ?? (late ? failure(`at ${rate}/s ${late}`) : undefined);
  // What was held was held, however busy the generator was. What was late or lost may be its fault.
  const { generator, bottleneck, share } = seen;
  const deliveredPerSecond = (share.delivered / share.ms) * 1000;
  const takenPerSecond = deliveredPerSecond / trial.subscribers;
  const isBroken = judge({ ...seen, lost: 0, refused: 0, bottleneck: undefined }) !== undefined;
  const isExcused = bottleneck !== undefined && !isBroken;
  const isDisturbed = problem !== undefined && isExcused && generator.cpuPercent <= LITTLE_PERCENT;
  const figures = { rate, deliveredPerSecond, takenPerSecond, p99Us, generator };
  const step = { ...figures, isBroken, isDisturbed };
  if (!problem || !isExcused) return { ...step, problem };
  return { ...step, problem: { kind: "invalid", reason: `at ${rate}/s ${bottleneck}` } };
};

const edge = <Tried extends Pick<Step, "rate" | "problem">>(steps: readonly Tried[]) => {
  const sorted = steps.toSorted((a, b) => a.rate - b.rate);
  return {
    good: sorted.findLast(({ problem }) => !problem),
    bad: sorted.find(({ problem }) => problem),
  };
};

const outcomeOf = (
  steps: readonly Step[],
  contender: Contender,
  site: { readonly pollMs: number },
): Outcome => {
  const { good, bad } = edge(steps);
  if (!good || bad?.isDisturbed) return bad?.problem ?? failure("no rate could be tried");
  // Who kept up until the generator could not, or until the end of the ladder, may take more.
  const more = !bad || bad.problem?.kind === "invalid";
  const { rate: highestRate, deliveredPerSecond, generator } = good;
  // A stretch is too short for all that rest between two polls to come by.
  const isCounted = longestPauseMs(contender, site) === 0;
  return {
    kind: "measured",
    metrics: { highestRate, ...(isCounted && { deliveredPerSecond }) },
    generator,
    ...(more && {
      atLeast: ["highestRate", ...(isCounted ? (["deliveredPerSecond"] as const) : [])],
    }),
    samples: { rate: steps.map(({ rate }) => rate), p99Us: steps.map(({ p99Us }) => p99Us) },
  };
};
