import type { Contender } from "../contender.ts";
import type { Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { judge, longestPauseMs, perDelivery, Trial } from "../trial.ts";
import { BACK_OFF_MS, OPEN_MS, payloadBytesOf, STRETCH_MS } from "./common.ts";

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
    OPEN_MS +
    STRETCH_MS +
    warmUpMs(contender, settings) +
    settings.measureMs +
    longestPauseMs(contender, work(settings)),

  async run(ground, contender, settings) {
    const { subscribers, rate, ...site } = work(settings);
    const { measureMs, seed } = settings;
    await using trial = await Trial.start(ground, contender, {
      ...site,
      seed,
      backOffMs: BACK_OFF_MS,
    });
    await trial.openWeighed(subscribers);
    const memory = trial.memory();
    const seen = await trial.play({
      rate,
      warmUpMs: warmUpMs(contender, settings),
      measureMs,
      seed,
      patienceMs: patienceMs(settings),
    });
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

// Polls that rest in between are in their stride only when all of them have asked once.
const warmUpMs = (contender: Contender, settings: Settings) =>
  Math.max(settings.warmUpMs, longestPauseMs(contender, work(settings)));
