import type { Socket } from "node:net";

/** What one direction of a connection is like. */
export interface Conditions {
  /** Nothing is read and nothing handed on, so back-pressure builds up at the sender. */
  stalled: boolean;
  /** What is read is thrown away, and nobody is told of an end. */
  swallowed: boolean;
  delayMs: number;
  bytesPerSecond: number;
}

export const CLEAR: Readonly<Conditions> = {
  stalled: false,
  swallowed: false,
  delayMs: 0,
  bytesPerSecond: Infinity,
};

// What a delayed direction may hold. It bounds the throughput, too: 1 MiB per delay.
const MAX_HELD_BYTES = 2 ** 20;

// A throttled direction hands on what this many milliseconds are good for, then waits.
const SLICE_MS = 20;

/**
 * One direction of a connection. Without a fault every chunk is written as it comes, and the
 * source is read only while the sink has room, so a slow reader slows its sender down and nothing
 * piles up in between.
 */
export class Pipe {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #conditions: Conditions;
  readonly #send: (bytes: Buffer) => boolean;
  readonly #onEnd: () => void;
  // What was read and not handed on yet; without bytes it is the end.
  #queue: { at: number; bytes?: Buffer }[] = [];
  #held = 0;
  #full = false;
  #freeAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    source: Socket,
    sink: Socket,
    conditions: Conditions,
    /** Writes to the sink; false when that is full. */
    send: (bytes: Buffer) => boolean,
    onEnd: () => void,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#conditions = conditions;
    this.#send = send;
    this.#onEnd = onEnd;
    source.on("data", (bytes: Buffer) => this.#take(bytes));
    source.on("end", () => this.#take());
    sink.on("drain", () => {
      this.#full = false;
      this.#pump();
    });
    this.#pump();
  }

  change(conditions: Partial<Conditions>): void {
    Object.assign(this.#conditions, conditions);
    this.#freeAt = 0;
    if (this.#conditions.swallowed) this.stop();
    else this.#pump();
  }

  /** Hands nothing on any more, and reads on so that the source can come to its end. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#conditions.swallowed = true;
    this.#queue = [];
    this.#source.resume();
  }

  #take(bytes?: Buffer): void {
    if (this.#conditions.swallowed) return;
    const at = performance.now();
    this.#queue.push(bytes ? { at, bytes } : { at });
    this.#held += bytes?.length ?? 0;
    this.#pump();
  }

  #pump(): void {
    const { delayMs, bytesPerSecond, stalled } = this.#conditions;
    clearTimeout(this.#timer);
    while (!stalled && !this.#full) {
      const [head] = this.#queue;
      if (!head) break;
      const now = performance.now();
      const waitMs = Math.max(head.at + delayMs, this.#freeAt) - now;
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), waitMs);
        break;
      }
      if (!head.bytes) {
        this.#queue.shift();
        this.#sink.end();
        this.#onEnd();
        break;
      }
      const piece = head.bytes.subarray(0, Math.max(1, (bytesPerSecond * SLICE_MS) / 1000));
      head.bytes = head.bytes.subarray(piece.length);
      if (head.bytes.length === 0) this.#queue.shift();
      this.#held -= piece.length;
      // A late timer may catch up, but never by more than a slice.
      this.#freeAt =
        Math.max(this.#freeAt, now - SLICE_MS) + (piece.length * 1000) / bytesPerSecond;
      this.#full = !this.#send(piece);
      // Sending may have been the cut.
      if (this.#conditions.swallowed) return;
    }
    if (stalled || this.#held > (delayMs > 0 ? MAX_HELD_BYTES : 0)) this.#source.pause();
    else this.#source.resume();
  }
}
