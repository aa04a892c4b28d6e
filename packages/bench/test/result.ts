import { SCHEMA, type Result } from "../src/index.ts";

/** A small result that is valid, and made up. */
export const sample = (): Result => ({
  schema: SCHEMA,
  startedAt: "2026-11-21T02:00:00.000Z",
  tookMs: 4_000,
  conditions: {
    commit: "0123abc",
    dirty: false,
    versions: { bun: "1.4.5", elysia: "1.4.30", kernel: "6.1.0" },
    cpu: "a processor",
    cores: 2,
    memoryBytes: 4 * 2 ** 30,
    limits: { descriptors: 65_536 },
    yardsticks: "0123456789abcdef",
    pinned: { server: 0, load: 1 },
    flags: ["--quick"],
  },
  method: { rounds: 1, warmUpMs: 100, measureMs: 500, seed: 1 },
  audit: [{ lane: "sse", alonePerSecond: 400_000, cpuUsPerDelivery: 2.5 }],
  contenders: [{ name: "sse", title: "Server-Sent Events", kind: "tidings", deviations: [] }],
  scenarios: [
    { name: "fan-out", title: "Fan-out", question: "What?", params: { subscribers: 100 } },
  ],
  runs: [
    {
      scenario: "fan-out",
      contender: "sse",
      replica: "A",
      round: 1,
      order: 1,
      params: { subscribers: 100 },
      startedAt: "2026-11-21T02:00:01.000Z",
      outcome: {
        kind: "measured",
        metrics: { serverCpuUsPerDelivery: 2.2 },
        staleness: {
          unit: "us",
          counts: [
            [200, 4],
            [300, 1],
          ],
        },
        generator: { cpuPercent: 30, latenessP90Us: 900, latenessP99Us: 1_800 },
        samples: { cpuPercent: [4, 5] },
      },
    },
  ],
});
