import { Tally } from "./tally.ts";
import type { Site, Traffic } from "./wire.ts";

/** The account of a time in which nothing is published: what came before `first` has come before. */
export const nothing = (first = 0): Tally =>
  new Tally(0, { first, count: 0, perSecond: 0, startAt: 0, seed: 0 }, 0);

/** All subscribers of one worker, whatever their technique. */
export abstract class Crowd {
  readonly site: Site;
  readonly traffic: Traffic = { bytesOut: 0, bytesIn: 0, requests: 0 };
  /** Where deliveries are counted. Between two stretches there is nothing that should come. */
  tally = nothing();
  /** How often the server closed a subscriber's connection, or did not accept it. */
  cuts = 0;
  closing = false;
  /** Rejects when a subscriber finds what it cannot go on with. */
  readonly failed: Promise<never>;
  readonly fail: (error: unknown) => void;

  constructor(site: Site) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.failed = promise;
    this.fail = reject;
    this.site = site;
  }

  /**
   * Opens the subscribers from one number up to, and without, another. Resolves when all of them
   * are subscribed: what is published from then on reaches them.
   */
  abstract open(begin: number, end: number): Promise<void>;

  /** Ends them all, and their server with them. */
  abstract close(): Promise<void>;
}
