// The generator measures itself before it measures others: against a server that does nothing but
// write, what does a delivery that comes alone cost it?
import { run } from "../../../scripts/launch.ts";
import type { Contender } from "./contender.ts";
import type { Wire } from "./load/wire.ts";
import type { Audit } from "./result.ts";
import { judge, Trial, type Ground } from "./trial.ts";

const SUBSCRIBERS = 100;
// Fewer where events are large: 100 MB/s is work enough for a loopback.
const rateOf = (payloadBytes: number) => Math.min(100, 1e8 / SUBSCRIBERS / payloadBytes);
const STRETCH = { warmUpMs: 150, measureMs: 350, seed: 1 };
/** How long the audit of one lane takes, about, in milliseconds. */
export const AUDIT_MS = 900;

/** Whether there is a null server that speaks like this. */
export const canAudit = (wire: Wire): boolean => wire.kind !== "client";

/**
 * What the generator can take of a lane's deliveries. Rejects when it loses or doubles what a server
 * gives it that does neither.
 */
export const audit = async (
  ground: Ground,
  contender: Contender,
  payloadBytes: number,
): Promise<Audit> => {
  const { lane, wire } = contender;
  const nothing: Contender = {
    ...contender,
    wire: wire.kind === "ws" ? { ...wire, live: "handshake" } : wire,
    async start({ prefix }) {
      const options = { prefix, onLine: () => {} };
      const server = run("null server", ["packages/bench/src/null-server.ts", lane], options);
      return { ...server, url: await server.ready };
    },
  };
  const options = { payloadBytes, pollMs: 50, backOffMs: 50, seed: STRETCH.seed };
  await using trial = await Trial.start(ground, nothing, options);
  await trial.open(SUBSCRIBERS);
  const seen = await trial.play({ ...STRETCH, rate: rateOf(payloadBytes) });
  const problem = judge(seen);
  if (problem?.kind === "failed")
    throw new Error(`the load generator fails its audit, ${lane}: ${problem.reason}`);
  const cpuUsPerDelivery = seen.generatorCpuUs / seen.share.delivered;
  return {
    lane,
    cpuUsPerDelivery,
    alonePerSecond: (ground.fleet.cores * 1e6) / cpuUsPerDelivery,
    ...(problem && { invalid: problem.reason }),
  };
};
