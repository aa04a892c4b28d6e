// The generator measures itself before it measures others: against a server that does nothing but
// write, what does a delivery cost it, and how many could it take?
import { run } from "../../../scripts/launch.ts";
import type { Contender } from "./contender.ts";
import type { Wire } from "./load/wire.ts";
import type { Audit } from "./result.ts";
import { Trial, type Ground } from "./trial.ts";

const SUBSCRIBERS = 100;
const RATE = 100;
const STRETCH = { rate: RATE, warmUpMs: 150, measureMs: 350, seed: 1 };
/** How long the audit of one lane takes, about, in milliseconds. */
export const AUDIT_MS = 900;

/** Whether there is a null server that speaks like this. */
export const canAudit = (wire: Wire): boolean => wire.kind !== "client";

/** What the generator can take of a lane's deliveries. */
export const audit = async (ground: Ground, contender: Contender): Promise<Audit> => {
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
  const options = { payloadBytes: 128, pollMs: 50, backOffMs: 50 };
  await using trial = await Trial.start(ground, nothing, options);
  await trial.open(SUBSCRIBERS);
  const { share, generatorCpuUs } = await trial.play(STRETCH);
  if (share.delivered === 0) throw new Error(`the load generator received nothing in ${lane}`);
  const cpuUsPerDelivery = generatorCpuUs / share.delivered;
  return {
    lane,
    cpuUsPerDelivery,
    ceilingPerSecond: (ground.fleet.cores * 1e6) / cpuUsPerDelivery,
  };
};
