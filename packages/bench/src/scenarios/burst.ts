import type { Failed, Generator, Invalid, Outcome } from "../result.ts";
import type { Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { quantile } from "../stats/histogram.ts";
import { judge, longestPauseMs, Trial } from "../trial.ts";
import { BACK_OFF_MS, OPEN_MS } from "./common.ts";

const work = ({ subscribers, payloadBytes }: Settings) => ({
  subscribers: subscribers ?? 50,
  payloadBytes,
  pollMs: 500,
  /** What the p99 of the staleness must stay under, beside what a poll waits by design. */
  boundMs: 250,
});

// Long steps until one fails; then the gap is halved, in the logarithm, so many times.
const LADDER = [8, 64, 512, 4_096, 32_768];
const HALVINGS = 2;
const STEPS = 7;

const warmUpMs = 100;
const measureMs = ({ mode }: Settings) => (mode === "full" ? 3_000 : 300);

/** Events come faster and faster. */
export const burst: Scenario = {
  name: "burst",
  title: "Burst",
  question: "How many events in a second can be delivered, in time and without loss?",
  inRounds: false,
  twice: false,
  forAll: false,
  ignores: ["rate"],
  params: work,
  cells: () => [{}],
  estimateMs: (contender, settings) =>
    (1 + HALVINGS) * (OPEN_MS + 2 * work(settings).boundMs) +
    STEPS * (warmUpMs + measureMs(settings) + longestPauseMs(contender, work(settings))),

  async run(ground, contender, settings) {
    const { subscribers, ...site } = work(settings);
    const options = { ...site, seed: settings.seed, backOffMs: BACK_OFF_MS };
    const steps: Step[] = [];
    // Who has failed has a backlog, so the next steps are another server's.
    const climb = async (rates: readonly number[]) => {
      await using trial = await Trial.start(ground, contender, options);
      await trial.open(subscribers);
      for (const rate of rates) {
        const step = await play(trial, settings, rate);
        steps.push(step);
        if (step.problem) return;
      }
    };
    const climbOrTryAgain = async (rates: readonly number[]) => {
      await climb(rates);
      const last = steps.at(-1);
      if (last?.problem?.kind !== "invalid") return;
      // The machine may have had something else to do for a moment.
      steps.pop();
      await climb(rates.slice(rates.indexOf(last.rate)));
    };
    await climbOrTryAgain(LADDER);
    for (let halving = 0; halving < HALVINGS; halving++) {
      const { good, bad } = edge(steps);
      if (!good || !bad) break;
      await climbOrTryAgain([Math.round(Math.sqrt(good.rate * bad.rate))]);
    }
    return [{ params: {}, outcome: outcomeOf(steps, subscribers) }];
  },
};

interface Step {
  readonly rate: number;
  readonly p99Us: number;
  readonly generator: Generator;
  /** Why it failed; undefined when it did not. */
  readonly problem: Failed | Invalid | undefined;
}

const play = async (trial: Trial, settings: Settings, rate: number): Promise<Step> => {
  const { boundMs } = work(settings);
  const { seed } = settings;
  const stretch = { rate, warmUpMs, measureMs: measureMs(settings), seed, patienceMs: 2 * boundMs };
  const seen = await trial.play(stretch);
  const p99Us = quantile(seen.staleness, 0.99) ?? 0;
  const allowedMs = boundMs + longestPauseMs(trial.contender, trial.options);
  const broken = judge({ ...seen, bottleneck: undefined });
  const late = p99Us > allowedMs * 1000 && `the p99 is ${Math.round(p99Us / 1000)} ms`;
  const problem = broken ?? (late ? { ...none, reason: `at ${rate}/s ${late}` } : undefined);
  // What was held was held, however busy the generator was. What was late or lost may be its fault.
  const { generator, bottleneck } = seen;
  const step = { rate, p99Us, generator };
  if (!problem || bottleneck === undefined || judge(seen)?.kind === "failed")
    return { ...step, problem };
  return { ...step, problem: { kind: "invalid", reason: `at ${rate}/s ${bottleneck}` } };
};

const none = { kind: "failed", lost: 0, doubled: 0, reordered: 0 } as const;

const edge = (steps: readonly Step[]) => {
  const sorted = steps.toSorted((a, b) => a.rate - b.rate);
  return {
    good: sorted.findLast(({ problem }) => !problem),
    bad: sorted.find(({ problem }) => problem),
  };
};

const outcomeOf = (steps: readonly Step[], subscribers: number): Outcome => {
  const { good, bad } = edge(steps);
  if (!good) return bad?.problem ?? { ...none, reason: "no rate could be tried" };
  // Who kept up until the generator could not, or until the end of the ladder, may take more.
  const more = !bad || bad.problem?.kind === "invalid";
  return {
    kind: "measured",
    metrics: { highestRate: good.rate, deliveredPerSecond: good.rate * subscribers },
    generator: good.generator,
    ...(more && { atLeast: ["highestRate", "deliveredPerSecond"] }),
    samples: { rate: steps.map(({ rate }) => rate), p99Us: steps.map(({ p99Us }) => p99Us) },
  };
};
