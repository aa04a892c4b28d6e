import { clientOf, techniques, type Subscribe } from "../../../../../scripts/techniques.ts";
import { now } from "../clock.ts";
import { Crowd } from "../crowd.ts";
import { stampOf } from "../stamp.ts";
import type { Site } from "../wire.ts";

/**
 * Subscribers of a technique whose wire is not known here, through its own client. It costs the
 * generator more, and its bytes cannot be counted.
 */
export class OwnClients extends Crowd {
  readonly #left = new AbortController();
  readonly #technique: string;
  readonly #followers: Promise<void>[] = [];

  constructor(site: Site, technique: string) {
    super(site);
    this.#technique = technique;
  }

  async open(begin: number, end: number): Promise<void> {
    const technique = techniques.find(({ name }) => name === this.#technique);
    if (!technique) throw new Error(`There is no technique ${this.#technique}.`);
    const subscribe = await clientOf(technique);
    const opened = Array.from({ length: end - begin }, (_, i) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#followers.push(this.#follow(subscribe, begin + i, resolve).catch(this.fail));
      return promise;
    });
    await Promise.all(opened);
  }

  async #follow(subscribe: Subscribe, index: number, live: () => void) {
    const { signal } = this.#left;
    const { url, backOffMs } = this.site;
    const events = subscribe(url, {
      signal,
      minRetryMs: backOffMs,
      onNote: ({ kind }) => {
        if (kind === "request") this.traffic.requests++;
        if (kind === "open") live();
        if (kind === "retry") this.cuts++;
      },
    });
    for await (const { data } of events) {
      const number = stampOf(data);
      if (number !== undefined) this.tally.hits(index, [number], now());
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    this.#left.abort();
    await Promise.all(this.#followers);
  }
}
