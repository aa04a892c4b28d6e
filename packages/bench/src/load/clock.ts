/**
 * Milliseconds since 1970, to the microsecond and never running backwards: what the processes of
 * one machine can agree on.
 */
export const now = (): number => performance.timeOrigin + performance.now();

/** Resolves at a moment of that clock. */
export const until = (moment: number): Promise<void> => Bun.sleep(Math.max(0, moment - now()));
