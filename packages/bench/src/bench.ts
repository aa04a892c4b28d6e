// The engine, for the command: `@tidings/bench/engine`.
export { baselines, lanes } from "./contenders.ts";
export type { Contender } from "./contender.ts";
export { bench, estimateMs, type Progress } from "./engine.ts";
export { maxDescriptors } from "./conditions.ts";
export { MIN_PAYLOAD_BYTES } from "./load/stamp.ts";
export { whyBlind } from "./machine.ts";
export { peers, peerVersions } from "./peers.ts";
export type { Scenario } from "./scenario.ts";
export { scenarios } from "./scenarios.ts";
export { settingsOf, type Mode, type Settings } from "./settings.ts";
