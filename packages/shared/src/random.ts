// Chance that can be repeated: the same seed gives the same run.

export type Random = ReturnType<typeof createRandom>;

export const createRandom = (seed: number) => {
  let state = seed;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  /** A whole number from `min` to `max`, both included. */
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  const pick = <Item>(items: readonly Item[]) => items[int(0, items.length - 1)] as Item;
  return { next, int, pick, chance: (probability: number) => next() < probability };
};

/**
 * Runs a property for many seeds. A failure names its seed, and TIDINGS_SEED=<seed> repeats it
 * alone.
 */
export const forSeeds = async (
  count: number,
  property: (random: Random) => void | Promise<void>,
): Promise<void> => {
  const only = process.env.TIDINGS_SEED;
  const base = Math.floor(Math.random() * 2 ** 31);
  const seeds = only ? [Number(only)] : Array.from({ length: count }, (_, i) => base + i);
  for (const seed of seeds) {
    try {
      await property(createRandom(seed));
    } catch (cause) {
      throw new Error(`TIDINGS_SEED=${seed} fails: ${cause}`, { cause });
    }
  }
};

/** The rest of this turn of the event loop. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
