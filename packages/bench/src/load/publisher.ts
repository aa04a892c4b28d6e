// The publisher, a process of its own, so that no delivery delays a publication. It publishes at the
// times that are meant, whatever the server does meanwhile: what a stall holds up is late, not left
// out.
import type { Socket } from "bun";
import { newCounts, record } from "../stats/histogram.ts";
import { answerIn, Answers, type Answer } from "./answers.ts";
import { now, rest, until } from "./clock.ts";
import { obey } from "./orders.ts";
import { intendedTimes } from "./schedule.ts";
import { MIN_PAYLOAD_BYTES, stamped } from "./stamp.ts";
import type { Stretch } from "./worker.ts";

export interface Target {
  readonly url: string;
  /** Where one publishes. */
  readonly path: string;
  readonly payloadBytes: number;
}

export interface Published {
  readonly ms: number;
  readonly cpuUs: number;
  /** A histogram's counts: from the intended time until the server's answer. */
  readonly latency: Uint32Array;
  /** A histogram's counts: how late the publisher itself was. */
  readonly lateness: Uint32Array;
  /** What was not answered with 2xx, or not at all. */
  readonly refused: number;
  readonly reason: string | undefined;
  /** When each publication left, and when it was answered; NaN for never. */
  readonly sentAt: Float64Array;
  readonly answeredAt: Float64Array;
}

// Requests that wait for their answer at the same time. Each has a connection of its own, because
// servers need not take a second request before they have answered the first.
const MAX_CONNECTIONS = 64;
const TYPE = "bench.tick";
// Before what was not taken is tried again.
const RETRY_MS = 5;

interface Line {
  readonly answers: Answers<Answer>;
  /** The publication that waits for its answer. */
  event: number | undefined;
}

// One stretch's publications, in the order of their numbers over whichever line is free.
class Publications {
  readonly sentAt: Float64Array;
  readonly answeredAt: Float64Array;
  readonly latency = newCounts();
  reason: string | undefined;
  refused = 0;
  waiting = 0;
  // One request is like the other but for its stamp: what is before it, and what is behind.
  readonly #before: string;
  readonly #behind: string;
  readonly #address: URL;
  readonly #stretch: Stretch;
  readonly #intended: Float64Array;
  readonly #queue: number[] = [];
  readonly #idle: Socket<Line>[] = [];
  readonly #lines = new Set<Socket<Line>>();
  readonly #settled = Promise.withResolvers<void>();
  #opening = 0;
  #closed = false;
  #left: number;

  constructor(target: Target, stretch: Stretch, intended: Float64Array) {
    this.#address = new URL(target.url);
    const data = stamped(0, target.payloadBytes);
    const body = JSON.stringify({ type: TYPE, data });
    const head = [
      `POST ${target.path} HTTP/1.1`,
      `Host: ${this.#address.host}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    ];
    [this.#before = "", this.#behind = ""] = [...head, "", body]
      .join("\r\n")
      .split(stamped(0, MIN_PAYLOAD_BYTES));
    this.#stretch = stretch;
    this.#intended = intended;
    this.#left = intended.length;
    this.sentAt = new Float64Array(intended.length).fill(NaN);
    this.answeredAt = new Float64Array(intended.length).fill(NaN);
    if (this.#left === 0) this.#settled.resolve();
    else this.#open();
  }

  /** Resolves when every publication is answered. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  publish(event: number): void {
    this.waiting++;
    this.#queue.push(event);
    this.#pump();
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const socket = this.#idle.pop();
      if (!socket) {
        if (this.#opening === 0 && this.#lines.size < MAX_CONNECTIONS) this.#open();
        return;
      }
      this.#send(socket, this.#queue.shift() ?? 0);
    }
  }

  #send(socket: Socket<Line>, event: number): void {
    const stamp = stamped(this.#stretch.schedule.first + event, MIN_PAYLOAD_BYTES);
    socket.data.event = event;
    this.sentAt[event] = now();
    socket.write(this.#before + stamp + this.#behind);
  }

  #open(): void {
    const { hostname, port } = this.#address;
    this.#opening++;
    Bun.connect<Line>({
      hostname,
      port: Number(port),
      data: { answers: new Answers(answerIn), event: undefined },
      socket: {
        open: (socket) => {
          this.#opening--;
          if (this.#closed) return void socket.terminate();
          socket.setNoDelay(true);
          this.#lines.add(socket);
          this.#idle.push(socket);
          this.#pump();
        },
        data: (socket, chunk) => {
          try {
            this.#receive(socket, chunk);
          } catch (error) {
            this.#settle(socket, messageOf(error));
            socket.terminate();
          }
        },
        close: (socket) => {
          this.#lines.delete(socket);
          const place = this.#idle.indexOf(socket);
          if (place >= 0) this.#idle.splice(place, 1);
          this.#settle(socket, "the connection was closed");
        },
      },
    }).catch((error) => {
      this.#opening--;
      const problem = messageOf(error);
      if (this.#stretch.persistent) this.#tryAgain(problem);
      else this.reason ??= problem;
    });
  }

  #receive(socket: Socket<Line>, chunk: Buffer): void {
    const answer = socket.data.answers.take(chunk);
    if (!answer) return;
    const good = answer.status >= 200 && answer.status < 300;
    this.#settle(socket, good ? undefined : `${answer.status} ${answer.body}`);
    this.#idle.push(socket);
    this.#pump();
  }

  #settle({ data }: Socket<Line>, problem: string | undefined): void {
    const { event } = data;
    if (event === undefined) return;
    data.event = undefined;
    if (problem !== undefined && this.#stretch.persistent) return this.#tryAgain(problem, event);
    const at = now();
    const intended = this.#intended[event] ?? 0;
    this.answeredAt[event] = at;
    if (intended >= this.#stretch.measureFrom) record(this.latency, (at - intended) * 1000);
    if (problem !== undefined) {
      this.refused++;
      this.reason ??= problem;
    }
    this.waiting--;
    if (--this.#left === 0) this.#settled.resolve();
  }

  #tryAgain(problem: string, ...events: readonly number[]): void {
    if (this.#closed) return;
    this.reason = problem;
    setTimeout(() => {
      if (this.#closed) return;
      // What was meant earlier goes first.
      this.#queue.push(...events);
      this.#queue.sort((a, b) => a - b);
      this.#pump();
    }, RETRY_MS);
  }

  close(): void {
    this.#closed = true;
    if (this.waiting > 0) this.reason ??= "there was no answer in time";
    for (const socket of this.#lines) socket.terminate();
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : `${error}`);

// Timers count whole milliseconds, and fire early rather than late. The rest is slept through, in
// slices while somebody's answer may come: whoever turns round and round instead takes the core
// from those who receive.
const SLICE_MS = 0.1;
const arrive = async (moment: number, isBusy: () => boolean): Promise<void> => {
  for (let left = moment - now(); left > 0; left = moment - now()) {
    if (left >= 1) await Bun.sleep(left);
    else if (!isBusy()) rest(left);
    else {
      rest(Math.min(left, SLICE_MS));
      await new Promise(setImmediate);
    }
  }
};

let target: Target | undefined;

export const orders = {
  async open(to: Target): Promise<void> {
    target = to;
  },

  async play(stretch: Stretch): Promise<Published> {
    if (!target) throw new Error("The publisher has no server.");
    const { schedule, measureFrom, measureTo, deadline } = stretch;
    const intended = intendedTimes(schedule);
    const publications = new Publications(target, stretch, intended);
    const lateness = newCounts();
    const measured = async () => {
      await until(measureFrom);
      const [from, before] = [now(), process.cpuUsage()];
      await until(measureTo);
      const { user, system } = process.cpuUsage(before);
      return { ms: now() - from, cpuUs: user + system };
    };
    const publish = async () => {
      for (const [event, moment] of intended.entries()) {
        await arrive(moment, () => publications.waiting > 0);
        if (moment >= measureFrom) record(lateness, (now() - moment) * 1000);
        publications.publish(event);
        // Who is behind must hear the answers all the same.
        if (event % 16 === 0) await new Promise(setImmediate);
      }
    };
    const [share] = await Promise.all([measured(), publish()]);
    await Promise.race([publications.settled, until(deadline)]);
    publications.close();
    const { sentAt, answeredAt, latency, reason } = publications;
    const refused = publications.refused + publications.waiting;
    return { ...share, latency, lateness, refused, reason, sentAt, answeredAt };
  },
};

obey(orders);
