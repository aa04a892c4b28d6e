import { createRandom, type Random } from "@tidings/shared/random";
import type { Socket } from "bun";
import { now, rest } from "./clock.ts";
import { Crowd } from "./crowd.ts";
import type { Site } from "./wire.ts";

// So many connect at a time, so that no server's backlog overflows.
const AT_A_TIME = 64;
const MAX_PAUSE_MS = 30_000;
// Where more deliveries a second are meant to come than this, a worker rests so long after each turn
// of its event loop: one read then takes what has come of several events. With a read for each of
// them, the generator's core would have as much to do as the server's. Each delivery is seen later by
// up to that, and so is what is said in answer.
const DENSE_PER_SECOND = 50_000;
const REST_MS = 1;

const handlers = {
  open: (socket: Socket<Connection>) => socket.data.opened(socket),
  data: (socket: Socket<Connection>, chunk: Buffer) => socket.data.received(chunk),
  close: (socket: Socket<Connection>) => socket.data.closed(),
};

/**
 * One subscriber on a raw socket. When it is cut it comes back with its cursor, after a pause with
 * full jitter whose bound doubles. What it says and how it reads is its technique's.
 */
export abstract class Connection {
  protected readonly crowd: Connections;
  protected readonly index: number;
  /** Resolves when it is subscribed. */
  readonly live: Promise<void>;
  protected readonly becomeLive: () => void;
  #socket: Socket<Connection> | undefined;
  #receivedAt = 0;
  #failures = 0;
  readonly #jitter: Random;

  constructor(crowd: Connections, index: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.crowd = crowd;
    this.index = index;
    this.#jitter = this.dice(0);
    this.live = promise;
    this.becomeLive = resolve;
  }

  /** What it says as soon as it is connected. */
  protected abstract greet(): void;

  protected abstract receive(chunk: Buffer): void;

  /** Chance of its own: whoever is measured, the same subscriber has the same luck. */
  protected dice(use: 0 | 1): Random {
    // Golden ratio: what one seed gives lies far from what the next one gives.
    return createRandom(Math.imul(this.crowd.site.seed, 0x9e3779b1) + 2 * this.index + use);
  }

  /** The numbers that were found in what was delivered. */
  protected hits(numbers: readonly number[]): void {
    if (numbers.length === 0) return;
    this.#failures = 0;
    this.crowd.tally.hits(this.index, numbers, this.#receivedAt);
  }

  connect(): void {
    const { hostname, port } = this.crowd.address;
    const socket = { hostname, port: Number(port), data: this, socket: handlers };
    Bun.connect<Connection>(socket).catch(() => this.closed());
  }

  opened(socket: Socket<Connection>): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    this.greet();
  }

  received(chunk: Buffer): void {
    this.crowd.traffic.bytesOut += chunk.length;
    this.crowd.restAfterTurn();
    this.#receivedAt = now();
    try {
      this.receive(chunk);
    } catch (error) {
      this.crowd.fail(error);
    }
  }

  closed(): void {
    this.#socket = undefined;
    if (this.crowd.closing) return;
    this.crowd.cuts++;
    const bound = Math.min(MAX_PAUSE_MS, this.crowd.site.backOffMs * 2 ** this.#failures++);
    setTimeout(() => this.crowd.closing || this.connect(), this.#jitter.next() * bound);
  }

  protected ask(request: string): void {
    if (!this.#socket) return;
    this.crowd.traffic.requests++;
    this.say(request);
  }

  protected say(bytes: string | Uint8Array): void {
    this.crowd.traffic.bytesIn += this.#socket?.write(bytes) ?? 0;
  }

  cut(): void {
    this.#socket?.terminate();
  }
}

/** Subscribers that each have a connection of their own. */
export class Connections extends Crowd {
  readonly address: URL;
  readonly #all: readonly Connection[];

  constructor(site: Site, create: (crowd: Connections, index: number) => Connection) {
    super(site);
    this.address = new URL(site.url);
    this.#all = Array.from({ length: site.subscribers }, (_, index) => create(this, index));
  }

  #isResting = false;
  /** Where what comes is dense, the worker rests when it has read what is there. */
  restAfterTurn(): void {
    if (this.#isResting || this.tally.perSecond <= DENSE_PER_SECOND) return;
    this.#isResting = true;
    setImmediate(() => {
      this.#isResting = false;
      rest(REST_MS);
    });
  }

  async open(begin: number, end: number): Promise<void> {
    for (let from = begin; from < end; from += AT_A_TIME) {
      const some = this.#all.slice(from, Math.min(end, from + AT_A_TIME));
      for (const connection of some) connection.connect();
      await Promise.all(some.map(({ live }) => live));
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    for (const connection of this.#all) connection.cut();
  }
}

/** The head of a GET. */
export const get = (address: URL, path: string, ...headers: readonly string[]): string =>
  [`GET ${path} HTTP/1.1`, `Host: ${address.host}`, ...headers, "", ""].join("\r\n");

/** Throws unless the head has this status. */
export const expectStatus = (head: string, status: number): void => {
  if (!head.startsWith(`HTTP/1.1 ${status}`))
    throw new Error(`The server answered "${head.split("\r\n", 1)[0]}", not ${status}.`);
};
