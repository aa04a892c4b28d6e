// Who is measured: every technique of this repository, from its manifest; the same by hand without
// a framework; and on request what others have written.
import type { Technique } from "@tidings/shared";
import { laneName } from "@tidings/conformance";
import { run, serve } from "../../../scripts/launch.ts";
import { optionsFor } from "../../../scripts/options.ts";
import { techniques } from "../../../scripts/techniques.ts";
import type { Contender, StartOptions } from "./contender.ts";
import type { Wire } from "./load/wire.ts";

// The wires that the generator speaks by itself.
const wires: Readonly<Record<string, Wire>> = {
  "short-poll": { kind: "poll", path: "/events", held: false, cursor: "query" },
  "long-poll": { kind: "poll", path: "/events", held: true, cursor: "query" },
  sse: { kind: "stream", path: "/events" },
  ws: { kind: "ws", path: "/events", live: "first frame" },
  webhook: { kind: "webhook", path: "/endpoints" },
};

// Nobody asks a server what it has to say: what matters shows in the figures. Nobody has a token.
const quiet = { onLine: () => {}, env: { NODE_ENV: "production", TIDINGS_TOKEN: "" } };

const WEBHOOKS =
  "The provider is measured: the generator receives. Its outbox is in memory, in storm on disk.";

const tidings = (technique: Technique): Contender => {
  const lane = laneName(technique);
  const wire = wires[lane];
  return {
    name: lane,
    title: technique.pair ? "Webhooks" : technique.title,
    kind: "tidings",
    deviations: [
      ...Object.values(technique.deviations),
      ...(wire?.kind === "webhook" ? [WEBHOOKS] : []),
      ...(wire ? [] : ["Driven through its own client, whose bytes cannot be counted."]),
    ],
    lane,
    wire: wire ?? { kind: "client", technique: technique.name },
    publishPath: "/events",
    resumes: technique.capabilities.replay === true,
    start: async ({ options, ...rest }: StartOptions) => {
      const own = options && (await optionsFor(technique.name, options));
      const server = serve(technique.name, { ...quiet, ...rest, options: own });
      return { ...server, url: await server.ready };
    },
  };
};

const BASELINE = "packages/bench/baselines/raw-bun.ts";

const baseline = ({ lane, title }: Contender): Contender => ({
  name: `${lane}/raw-bun`,
  title: `${title}, by hand on Bun.serve`,
  kind: "baseline",
  deviations: [
    "No framework, limits, heartbeats, slow readers or problem details.",
    ...(lane === "sse" || lane === "ws" ? ["No replay."] : []),
    ...(lane === "webhook" ? ["No signature, no retries."] : []),
  ],
  lane,
  wire: baselineWire(lane),
  publishPath: "/events",
  resumes: false,
  async start({ prefix, port = 0, signal }) {
    const server = run(lane, [BASELINE, lane, `${port}`], { ...quiet, prefix, signal });
    return { ...server, url: await server.ready };
  },
});

const baselineWire = (lane: string): Wire => {
  const wire = wires[lane];
  if (!wire) throw new Error(`There is no baseline for ${lane}.`);
  return wire.kind === "ws" ? { ...wire, live: "handshake" } : wire;
};

/** One contender for each lane: a technique, or the pair of webhook servers. */
export const lanes: readonly Contender[] = techniques
  .filter(({ name, pair }) => pair?.client !== name)
  .map(tidings);

/** What each lane costs on the bare runtime. */
export const baselines: readonly Contender[] = lanes
  .filter(({ lane }) => lane in wires)
  .map(baseline);
