/**
 * How many attempts may run at a time, whoever they are for. Who finds no seat is called when it
 * may try again, one after the other: a line that has had its turn goes to the end of the queue.
 */
export class Seats {
  readonly #count: number;
  #free: number;
  #empty = () => {};
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#count = count;
    this.#free = count;
  }

  /** Whether most are taken: from then on nobody shall take a second one, so that all find one. */
  get scarce(): boolean {
    return this.#free < this.#count / 2;
  }

  take(again: () => void): boolean {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    this.#waiting.add(again);
    return false;
  }

  /** Resolves when a seat is taken. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      const attempt = () => {
        if (this.take(attempt)) resolve();
      };
      attempt();
    });
  }

  give(): void {
    this.#free++;
    for (const again of this.#waiting) {
      if (this.#free === 0) return;
      this.#waiting.delete(again);
      again();
    }
    this.#empty();
  }

  /** Resolves when nobody sits any more. */
  async empty(): Promise<void> {
    while (this.#free < this.#count) await new Promise<void>((resolve) => (this.#empty = resolve));
  }
}
