export interface SubscribersOptions {
  /** How many may be held at a time. Default 10,000. */
  maxSubscribers?: number | undefined;
  /**
   * How many of them may come from one address. Default: as many as in all, because behind a
   * proxy they all do. Lower it where clients connect directly.
   */
  maxSubscribersPerAddress?: number | undefined;
}

/** All that a server holds open, each with the one way to end it. */
export class Subscribers {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #ends = new Map<() => void, string>();
  readonly #perAddress = new Map<string, number>();
  #closed = false;

  constructor({ maxSubscribers = 10_000, maxSubscribersPerAddress }: SubscribersOptions = {}) {
    this.#max = maxSubscribers;
    this.#maxPerAddress = maxSubscribersPerAddress ?? maxSubscribers;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** Takes a seat for a subscriber that `end` would end; false when there is none left. */
  join(end: () => void, address: string): boolean {
    const here = this.#perAddress.get(address) ?? 0;
    if (this.#closed || this.size >= this.#max || here >= this.#maxPerAddress) return false;
    this.#ends.set(end, address);
    this.#perAddress.set(address, here + 1);
    return true;
  }

  /** Gives the seat back; a second time does nothing. */
  leave(end: () => void): void {
    const address = this.#ends.get(end);
    if (address === undefined) return;
    this.#ends.delete(end);
    const here = this.#perAddress.get(address) ?? 0;
    if (here > 1) this.#perAddress.set(address, here - 1);
    else this.#perAddress.delete(address);
  }

  /** Ends everybody and admits nobody from now on. */
  close(): void {
    this.#closed = true;
    for (const end of [...this.#ends.keys()]) end();
  }
}
