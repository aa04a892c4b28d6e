const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The pause before each attempt, in milliseconds: ten attempts within 75 hours and 35 minutes. [PROVIDER-11] */
export const SCHEDULE: readonly number[] = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

// Deliveries that failed together must not come back together.
const JITTER = 0.2;

export interface Retry {
  /** Stretches the schedule, or shrinks it for a demo. Default 1. */
  scale?: number | undefined;
  /** What the receiver asked for in `Retry-After`, in milliseconds. Default 0: nothing. */
  askedMs?: number | undefined;
  /** From 0 to 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

/**
 * The pause after so many failed attempts, in milliseconds; `undefined` when that was the last
 * one. The receiver may ask for up to twice the planned pause, and never for a shorter one.
 */
export const retryDelayMs = (
  failed: number,
  { scale = 1, askedMs = 0, random = Math.random }: Retry = {},
): number | undefined => {
  const pause = SCHEDULE[failed];
  if (pause === undefined) return undefined;
  const planned = pause * scale * (1 + JITTER * (2 * random() - 1));
  return Math.round(Math.min(Math.max(planned, askedMs), 2 * planned));
};
