import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyBlind } from "../machine.ts";
import type { Cell, Scenario } from "../scenario.ts";
import type { Settings } from "../settings.ts";
import { judge, Trial } from "../trial.ts";
import { OPEN_MS, START_MS, STRETCH_MS } from "./common.ts";

// Long enough that they come back while it goes on.
const AFTER_MS = 400;

const work = ({ subscribers, rate, payloadBytes }: Settings) => ({
  subscribers: subscribers ?? 100,
  rate: rate ?? 10,
  payloadBytes,
  pollMs: 150,
  backOffMs: 25,
  measureMs: AFTER_MS,
});

const BEFORE_MS = 100;
const PATIENCE_MS = 10_000;
// Two starts, and a while until everybody is back.
const TAKES_MS = 2 * (START_MS + OPEN_MS) + STRETCH_MS + BEFORE_MS + 1.4 * AFTER_MS;
// What takes half a second may be seen so much later, in milliseconds.
const TOLERANCE_MS = 50;

/**
 * The server dies and comes back on the same port, while publishing goes on. What is accepted by
 * the one that dies has arrived before: of a feed in memory no more can be asked.
 */
export const storm: Scenario = {
  name: "storm",
  title: "Storm",
  question: "The server is killed and started again: when does every subscriber have everything?",
  params: work,
  cells: () => [{}],
  estimateMs: ({ resumes }) => (resumes ? TAKES_MS : 0),

  async run(ground, contender, settings): Promise<readonly Cell[]> {
    if (!contender.resumes) {
      const reason = "Who comes back is not given all that was missed.";
      return [{ params: {}, outcome: { kind: "not applicable", reason } }];
    }
    const { subscribers, rate, measureMs, ...site } = work(settings);
    const { seed } = settings;
    const folder = mkdtempSync(join(tmpdir(), "tidings-bench-"));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    // Who ends the bench ends it here.
    process.once("exit", remove);
    try {
      // What outlives a server lies in a file.
      const options = { database: join(folder, "outbox.db") };
      await using trial = await Trial.start(ground, contender, { ...site, seed, options });
      await trial.open(subscribers);
      const common = { rate, warmUpMs: 0, seed, toleranceMs: TOLERANCE_MS };
      const calm = await trial.play({ ...common, measureMs: BEFORE_MS });
      const problem = judge(calm);
      if (problem) return [{ params: {}, outcome: problem }];
      const after = { measureMs, patienceMs: PATIENCE_MS };
      const seen = await trial.crash({ ...common, ...after });
      const { killedAt, wholeAt, doubled, serverCpuPercent, staleness, publish, generator } = seen;
      // What comes twice after a cut is counted, and is no violation.
      const broken = judge({ ...seen, doubled: 0 });
      if (broken) return [{ params: {}, outcome: broken }];
      const metrics = {
        wholeAfterMs: wholeAt - killedAt,
        doubled,
        ...(whyBlind() === undefined && { peakCpuPercent: Math.max(...serverCpuPercent) }),
      };
      const samples = { serverCpuPercent };
      const figures = { metrics, staleness, publish, generator, samples };
      return [{ params: {}, outcome: { kind: "measured", ...figures } }];
    } finally {
      process.off("exit", remove);
      remove();
    }
  },
};
