/**
 * Milliseconds since 1970, to the microsecond and never running backwards: what the processes of
 * one machine can agree on.
 */
export const now = (): number => performance.timeOrigin + performance.now();

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Stops the whole process for so many milliseconds, fractions of one too, without using its core. */
export const rest = (ms: number): void => void Atomics.wait(cell, 0, 0, ms);

/** Resolves at a moment of that clock. */
export const until = (moment: number): Promise<void> => Bun.sleep(Math.max(0, moment - now()));
