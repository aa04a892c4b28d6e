import type { FeedEvent } from "@tidings/shared";
import type { Note } from "@tidings/shared/client";
import type { Lane, Subscribe } from "./lane.ts";

type Options = NonNullable<Parameters<Subscribe>[1]>;

/** Follows a server through the technique's own client and keeps what arrives. */
export class Follower implements AsyncDisposable {
  readonly events: FeedEvent[] = [];
  readonly notes: Note[] = [];
  readonly #abort = new AbortController();
  readonly #deadline: AbortSignal;
  readonly #run: Promise<void>;
  readonly #waits = new Set<() => void>();
  #error: unknown;
  #ended = false;

  constructor(
    lane: Pick<Lane, "subscribe">,
    url: string,
    deadline: AbortSignal,
    options: Options = {},
  ) {
    this.#deadline = deadline;
    deadline.addEventListener("abort", this.#wake);
    const notes = (note: Note) => {
      this.notes.push(note);
      this.#wake();
    };
    // A test comes back soon: the pauses are those of a hurried client.
    const hurried = { minRetryMs: 20, maxRetryMs: 200, onNote: notes, signal: this.#abort.signal };
    this.#run = this.#follow(lane.subscribe(url, { ...hurried, ...options }));
  }

  /** What was delivered, without gap events, as offsets. */
  get offsets(): number[] {
    return this.events.filter((e) => e.type !== "feed.gap").map((e) => offsetOf(e.id));
  }

  get gaps(): FeedEvent[] {
    return this.events.filter((e) => e.type === "feed.gap");
  }

  /** Resolves when the subscription stands: what is published from now on will arrive. */
  async opened(times = 1): Promise<this> {
    await this.until(() => this.notes.filter((n) => n.kind === "open").length >= times, "open");
    return this;
  }

  /** Resolves when the event with this id, or a later one, has arrived. */
  async reached(id: string): Promise<this> {
    await this.until(() => this.events.some((e) => e.id === id), `the event ${id}`);
    return this;
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) throw new Error(`ended while waiting for ${what}`);
      if (this.#deadline.aborted)
        throw new Error(`never came: ${what}; had ${this.events.length} events`);
      await new Promise<void>((resolve) => this.#waits.add(resolve));
    }
  }

  /** Leaves, and waits until the client is done. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#run;
    this.#deadline.removeEventListener("abort", this.#wake);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #follow(events: AsyncIterable<FeedEvent>): Promise<void> {
    try {
      for await (const event of events) {
        this.events.push(event);
        this.#wake();
      }
    } catch (error) {
      this.#error = error;
    }
    this.#ended = true;
    this.#wake();
  }

  #wake = () => {
    for (const resolve of this.#waits) resolve();
    this.#waits.clear();
  };
}

export const offsetOf = (id: string): number => Number(id.slice(id.indexOf("-") + 1));

/** Holds what was delivered against what should have been, and tells the first difference. */
export const sameEvents = (
  actual: readonly (FeedEvent | undefined)[],
  expected: readonly (FeedEvent | undefined)[],
  what = "",
): void => {
  const length = Math.max(actual.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (Bun.deepEquals(actual[i], expected[i], true)) continue;
    const counts = `${actual.length} events instead of ${expected.length}`;
    throw new Error(
      `${what && `${what}: `}${counts}; number ${i + 1} is ${show(actual[i])} instead of ${show(expected[i])}`,
    );
  }
};

export const show = (event: FeedEvent | undefined): string =>
  event === undefined ? "missing" : JSON.stringify(event).slice(0, 200);
