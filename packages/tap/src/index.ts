export { openTap, type CutOptions, type Scope, type Tap, type TapOptions } from "./tap.ts";
export { transcript, type TranscriptOptions } from "./transcript.ts";
export type { Direction, TapRecord } from "./recorder.ts";
