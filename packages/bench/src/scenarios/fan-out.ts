import type { Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { judge, longestPauseMs, perDelivery, Trial } from "../trial.ts";
import { BACK_OFF_MS, OPEN_MS, payloadBytesOf, START_MS, STRETCH_MS } from "./common.ts";

const work = ({ mode, subscribers, rate, payloadBytes }: Settings) => ({
  subscribers: subscribers ?? 100,
  rate: rate ?? 20,
  payloadBytes,
  pollMs: mode === "full" ? 1_000 : 100,
});

// Who cannot keep up delivers late, and that is its figure. After so long it is a loss.
const patienceMs = ({ mode }: Settings) => (mode === "full" ? 30_000 : 5_000);

/** Many subscribers, a steady stream of events. */
export const fanOut: Scenario = {
  name: "fan-out",
  title: "Fan-out",
  question: "What does it cost to give each of many subscribers every event, and how old is it?",
  isFirst: true,
  params: work,
  cells: () => [{}],
  estimateMs: (contender, settings) =>
    START_MS +
    OPEN_MS +
    2 * (STRETCH_MS + longestPauseMs(contender, work(settings))) +
    settings.warmUpMs +
    settings.measureMs,

  async run(ground, contender, settings) {
    const { subscribers, rate, ...site } = work(settings);
    const { warmUpMs, measureMs, seed } = settings;
    await using trial = await Trial.start(ground, contender, {
      ...site,
      seed,
      backOffMs: BACK_OFF_MS,
    });
    await trial.openWeighed(subscribers);
    const memory = trial.memory();
    const common = { rate, seed, patienceMs: patienceMs(settings) };
    const broken = await trial.warmUp({ ...common, warmUpMs });
    if (broken) return [{ params: {}, outcome: broken }];
    const seen = await trial.play({ ...common, warmUpMs: 0, measureMs });
    const { staleness, publish, generator, serverCpuPercent, coreUs } = seen;
    const metrics = {
      ...perDelivery(contender, seen),
      payloadBytesPerDelivery: payloadBytesOf(contender, site.payloadBytes),
      ...memory,
    };
    const samples = { serverCpuPercent, coreUs };
    const measured = { kind: "measured", metrics, staleness, publish, generator, samples } as const;
    const outcome = judge(seen) ?? measured;
    return [{ params: {}, outcome }];
  },
};
