import { rests, type Contender } from "../contender.ts";
import type { Failed, Invalid, Params } from "../result.ts";
import type { Cell, Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { judge, longestPauseMs, perDelivery, Trial } from "../trial.ts";
import { BACK_OFF_MS, OPEN_MS, START_MS, STRETCH_MS } from "./common.ts";

const work = ({ subscribers, payloadBytes }: Settings) => ({
  subscribers: subscribers ?? 20,
  payloadBytes,
});

const ratesOf = ({ mode, rate }: Settings): readonly number[] =>
  rate !== undefined ? [rate] : mode === "full" ? [2, 10, 40, 160] : [16, 80];

const pausesOf = ({ mode }: Settings): readonly number[] =>
  mode === "full" ? [100, 300, 1_000] : [50, 150];

// Only who rests between two polls has an interval to choose.
const pausesFor = (contender: Contender, settings: Settings) =>
  rests(contender) ? pausesOf(settings) : [0];
const paramsOf = (pollMs: number, rate: number): Params =>
  pollMs > 0 ? { pollMs, rate } : { rate };

// Enough events to see more than one of them, enough time for every poll to come by, and before
// that enough for all polls to be in their stride.
const EVENTS = 3;
const stretchOf = ({ mode }: Settings, rate: number, pauseMs: number) => ({
  warmUpMs: Math.max(60, pauseMs),
  measureMs: Math.max(mode === "full" ? 1_500 : 200, pauseMs, (EVENTS * 1000) / rate),
});

/** Staleness against cost, over poll intervals and event rates. */
export const frontier: Scenario = {
  name: "frontier",
  title: "Frontier",
  question: "Which one should I use? How old may an event be, and what does it cost to have it?",
  params: work,
  cells: (contender, settings) =>
    pausesFor(contender, settings).flatMap((pollMs) =>
      ratesOf(settings).map((rate) => paramsOf(pollMs, rate)),
    ),
  estimateMs: (contender, settings) =>
    pausesFor(contender, settings)
      .map((pollMs) => {
        const pauseMs = longestPauseMs(contender, { pollMs });
        const stretches = ratesOf(settings).map((rate) => {
          const { warmUpMs, measureMs } = stretchOf(settings, rate, pauseMs);
          return STRETCH_MS + warmUpMs + measureMs + pauseMs;
        });
        return stretches.reduce((a, b) => a + b, START_MS + OPEN_MS);
      })
      .reduce((a, b) => a + b, 0),

  async run(ground, contender, settings) {
    const { subscribers, payloadBytes } = work(settings);
    const { seed } = settings;
    const cells: Cell[] = [];
    for (const pollMs of pausesFor(contender, settings)) {
      const options = { payloadBytes, pollMs, seed, backOffMs: BACK_OFF_MS };
      let broken: Failed | Invalid | undefined;
      await using trial = await Trial.start(ground, contender, options);
      await trial.open(subscribers);
      for (const rate of ratesOf(settings)) {
        const params = paramsOf(pollMs, rate);
        // What could not keep up has a backlog, and higher rates are no easier.
        if (broken) {
          cells.push({ params, outcome: broken });
          continue;
        }
        const pauseMs = longestPauseMs(contender, options);
        const stretch = stretchOf(settings, rate, pauseMs);
        const seen = await trial.play({ rate, seed, ...stretch });
        const problem = judge(seen);
        const { staleness, publish, generator, coreUs } = seen;
        const metrics = perDelivery(contender, seen);
        cells.push({
          params,
          outcome: problem ?? {
            kind: "measured",
            metrics,
            staleness,
            publish,
            generator,
            samples: { coreUs },
          },
        });
        // What is still on its way would come twice for the next stretch.
        if (problem?.kind === "failed" || (problem && seen.lost > 0))
          broken = { ...problem, reason: `at ${rate}/s already ${problem.reason}` };
      }
    }
    return cells;
  },
};
