import { whyBlind } from "../machine.ts";
import { failure, type Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { judge, perSubscriberSecond, Trial } from "../trial.ts";
import { BACK_OFF_MS, OPEN_MS, START_MS } from "./common.ts";

const work = ({ mode, subscribers, payloadBytes }: Settings) => ({
  subscribers: subscribers ?? 600,
  payloadBytes,
  pollMs: 1_000,
  measureMs: mode === "full" ? 15_000 : 200,
});

const warmUpMs = 50;
// More subscribers than elsewhere, and the pause before the first weighing.
const WEIGH_MS = 170;
// All that the generator has to do is to poll, once in a second. The rest the system counts.
const TOLERANCE_MS = 100;

/** Subscribers, and no events. */
export const idle: Scenario = {
  name: "idle",
  title: "Idle",
  question: "What does a subscriber cost while nothing happens?",
  ignores: ["rate", "payload"],
  params: work,
  cells: () => [{}],
  estimateMs: (_, settings) => START_MS + OPEN_MS + WEIGH_MS + warmUpMs + work(settings).measureMs,

  async run(ground, contender, settings) {
    const blind = whyBlind();
    if (blind !== undefined)
      return [{ params: {}, outcome: { kind: "not applicable", reason: blind } }];
    const { subscribers, measureMs, ...site } = work(settings);
    const { seed } = settings;
    await using trial = await Trial.start(ground, contender, {
      ...site,
      seed,
      backOffMs: BACK_OFF_MS,
    });
    await trial.openWeighed(subscribers);
    const seen = await trial.play({
      rate: 0,
      warmUpMs,
      measureMs,
      seed,
      toleranceMs: TOLERANCE_MS,
    });
    // Who is gone costs nothing.
    const cut = `${seen.cuts} connections were closed while nothing happened`;
    if (seen.cuts > 0) return [{ params: {}, outcome: failure(cut) }];
    const metrics = { ...perSubscriberSecond(trial, seen), ...trial.memory() };
    const { generator, serverCpuPercent, coreUs } = seen;
    const samples = { serverCpuPercent, coreUs };
    const measured = { kind: "measured", metrics, generator, samples } as const;
    return [{ params: {}, outcome: judge(seen) ?? measured }];
  },
};
