// What the clients have in common. It runs in browsers and in Bun, and imports nothing of either.

import { isFeedEvent, type FeedEvent } from "./event.ts";
import { isProblem } from "./problem.ts";

/** What every technique's `subscribe` is told. Each technique adds its own. */
export interface SubscribeOptions extends BackOffOptions {
  /** Deliver what follows this cursor. Default: from now on. `0-0`: all that is retained. */
  after?: string | undefined;
  /** Only events of these types, and gaps. Default: all. */
  types?: readonly string[] | undefined;
  /**
   * Ends the subscription, and with it the iteration: at once. The iterator's own `return()` does
   * so only with the next event, because a generator that waits cannot be ended from outside.
   */
  signal?: AbortSignal | undefined;
  /** Sent as a bearer token; where a browser cannot send headers, a ticket is fetched with it. */
  token?: string | undefined;
  /** After so many silent milliseconds a connection counts as dead. Default 45,000: three heartbeats. */
  silenceMs?: number | undefined;
  /** Told what happens on the way; for logs and displays. */
  onNote?: ((note: Note) => void) | undefined;
}

export interface BackOffOptions {
  /**
   * Upper bound of the first pause before coming back, in milliseconds; what is below 10 counts as
   * 10. Default 1,000.
   */
  minRetryMs?: number | undefined;
  /** Upper bound of every pause, in milliseconds. Default 30,000. */
  maxRetryMs?: number | undefined;
}

/** What happens on the way to a client. */
export type Note =
  /** A request, or a WebSocket handshake, goes out. */
  | { readonly kind: "request" }
  /** The server has taken the subscription: what is published from now on will arrive. */
  | { readonly kind: "open" }
  /** The connection is lost, for this reason; the client comes back after a pause. */
  | { readonly kind: "retry"; readonly inMs: number; readonly reason: string };

/** A server's refusal, or ours of its answer or of its URL. `final` when asking again would not help. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(status: number, detail: string, retryAfterMs = 0) {
    super(detail);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  get final(): boolean {
    // A 2xx that we refuse comes from a server that does something else here.
    const kind = Math.floor(this.status / 100);
    return (kind === 2 || kind === 4) && ![408, 425, 429].includes(this.status);
  }
}

/** `Retry-After`, seconds or a date (RFC 9110, section 10.2.3), as milliseconds from now. */
export const retryAfterMs = (value: string | null, now = Date.now()): number => {
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return ms > 0 ? ms : 0;
};

/**
 * The address of a server's events, for a place and a filter. `url` is the server's own. Throws a
 * `Refusal` when it can never work.
 */
export const eventsUrl = (
  url: string | URL,
  {
    after,
    types,
    ticket,
  }: {
    after?: string | undefined;
    types?: readonly string[] | undefined;
    ticket?: string | undefined;
  },
): URL => {
  const events = URL.parse("events", `${url}`.replace(/\/*$/, "/"));
  if (!events || !/^https?:/.test(events.protocol))
    throw new Refusal(400, "url: must be an absolute http or https URL.");
  if (after !== undefined) events.searchParams.set("after", after);
  if (types) events.searchParams.set("types", types.join());
  if (ticket !== undefined) events.searchParams.set("ticket", ticket);
  return events;
};

export const bearerHeaders = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

/** Fetches, and throws a `Refusal` for every status that is neither 2xx nor 304. */
export const ask = async (url: URL, init: RequestInit): Promise<Response> => {
  const response = await fetch(url, init);
  if (response.ok || response.status === 304) return response;
  const problem = await readJson(body(response)).catch(() => undefined);
  throw new Refusal(
    response.status,
    isProblem(problem) ? problem.detail : `The server answered ${response.status}.`,
    retryAfterMs(response.headers.get("retry-after")),
  );
};

/** A single-use ticket for a URL, where no header can be sent. */
export const fetchTicket = async (url: string | URL, token: string, signal?: AbortSignal) => {
  const response = await ask(new URL("tickets", eventsUrl(url, {})), {
    method: "POST",
    headers: bearerHeaders(token),
    ...(signal ? { signal } : {}),
  });
  const answer = await readJson(body(response));
  if (
    typeof answer === "object" &&
    answer &&
    "ticket" in answer &&
    typeof answer.ticket === "string"
  )
    return answer.ticket;
  throw new Error("The server's answer is not { ticket }.");
};

// Far more than any answer or message of SPEC.md is long; a hostile one has no end.
const MAX_LENGTH = 2 ** 24;

/** Throws when an answer, or one message of a stream, has become longer than a client will hold. */
export const checkLength = (what: string, length: number): void => {
  if (length > MAX_LENGTH)
    throw new Error(`The server's ${what} is longer than ${MAX_LENGTH} characters.`);
};

const readJson = async (bytes: AsyncIterable<Uint8Array>): Promise<unknown> => {
  const utf8 = new TextDecoder();
  let text = "";
  for await (const chunk of bytes) {
    text += utf8.decode(chunk, { stream: true });
    checkLength("answer", text.length);
  }
  return JSON.parse(text);
};

/** A poll's answer. */
export interface Page {
  readonly events: readonly FeedEvent[];
  readonly cursor: string;
}

/** A poll's answer out of its bytes. */
export const readPage = async (bytes: AsyncIterable<Uint8Array>): Promise<Page> => {
  const page = await readJson(bytes);
  if (!isPage(page)) throw new Error("The server's answer is not { events, cursor }.");
  return page;
};

const isPage = (page: unknown): page is Page =>
  typeof page === "object" &&
  page !== null &&
  "cursor" in page &&
  typeof page.cursor === "string" &&
  "events" in page &&
  Array.isArray(page.events) &&
  page.events.every(isFeedEvent);

/**
 * The answer's bytes as they come; who stops early ends the request himself. Iterating over the
 * stream would cancel it, which throws when it has failed already, and older browsers cannot.
 */
export async function* body(response: Response): AsyncGenerator<Uint8Array, void> {
  const reader = response.body?.getReader();
  if (!reader) throw new Error("The server answered without a body.");
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

// A timer takes 31 bits; what is longer would fire at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Resolves after `ms`, or as soon as the signal aborts; leaves no timer and no listener. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, MAX_TIMER_MS));
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });

// A browser's, or nothing.
declare const document: (EventTarget & { readonly hidden: boolean }) | undefined;

/** Resolves while somebody can see the page; in Bun, and in a visible page, at once. */
export const visible = (signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const page = typeof document === "undefined" ? undefined : document;
    const look = () => {
      if (page?.hidden && !signal?.aborted) return;
      page?.removeEventListener("visibilitychange", look);
      signal?.removeEventListener("abort", look);
      resolve();
    };
    page?.addEventListener("visibilitychange", look);
    signal?.addEventListener("abort", look);
    look();
  });

/** Callbacks in, iteration out. At most `max` items wait, beside those that are being read. */
export class Inbox<Item> implements AsyncIterable<Item> {
  readonly #items: Item[] = [];
  readonly #max: number;
  #ended: { error?: unknown } | undefined;
  #wake = () => {};

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * False when there was no room, and the item is lost: whoever pushes ends the inbox, and what
   * follows the last item that was read is asked for again, by its cursor.
   */
  push(item: Item): boolean {
    if (this.#ended || this.#items.length >= this.#max) return false;
    this.#items.push(item);
    this.#wake();
    return true;
  }

  /** What is in it is still read; then the iteration ends, or throws `error`. */
  end(error?: unknown): void {
    this.#ended ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void> {
    for (;;) {
      while (this.#items.length > 0) yield* this.#items.splice(0);
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

// A connection that lasted so long was a good one: the next failure is a first failure again.
const STABLE_MS = 5_000;

/** Nobody can make us come back without any pause: neither the caller nor a server's `retry: 0`. */
export const MIN_RETRY_MS = 10;

// What is no number is no reason either.
const noLess = (ms: number) => (ms > MIN_RETRY_MS ? ms : MIN_RETRY_MS);

/**
 * Exponential back-off with full jitter: a pause of anything between nothing and an upper bound
 * that doubles, so that clients that were cut together do not come back together.
 */
export class BackOff {
  readonly #maxMs: number;
  #minMs = MIN_RETRY_MS;
  readonly #signal: AbortSignal | undefined;
  readonly #onNote: ((note: Note) => void) | undefined;
  #failures = 0;
  #openedAt = Infinity;

  constructor({
    minRetryMs = 1_000,
    maxRetryMs = 30_000,
    signal,
    onNote,
  }: BackOffOptions & Pick<SubscribeOptions, "signal" | "onNote">) {
    this.minMs = minRetryMs;
    this.#maxMs = noLess(maxRetryMs);
    this.#signal = signal;
    this.#onNote = onNote;
  }

  /** Upper bound of the first pause, 10 ms or more; a server may set it (SSE: `retry:`). */
  get minMs(): number {
    return this.#minMs;
  }
  set minMs(ms: number) {
    this.#minMs = noLess(ms);
  }

  /** The connection stands; of polls, which open one after another, the first one counts. */
  opened(): void {
    this.#openedAt = Math.min(this.#openedAt, performance.now());
    this.#onNote?.({ kind: "open" });
  }

  /** The connection is lost: waits before the next one. Throws a refusal that is final. */
  async wait(error: unknown): Promise<void> {
    if (this.#signal?.aborted) return;
    if (error instanceof Refusal && error.final) throw error;
    if (performance.now() - this.#openedAt > STABLE_MS) this.#failures = 0;
    this.#openedAt = Infinity;
    const bound = Math.min(this.#maxMs, this.#minMs * 2 ** this.#failures++);
    const asked = error instanceof Refusal ? error.retryAfterMs : 0;
    const inMs = Math.round(asked + Math.random() * bound);
    const reason = error instanceof Error ? error.message : "The server ended the connection.";
    this.#onNote?.({ kind: "retry", inMs, reason });
    await pause(inMs, this.#signal);
  }
}

/** Calls `onSilence` when no answer has come for `ms`, unless it is cleared before. */
export const answerTimer = (ms: number, onSilence: (error: Error) => void) =>
  setTimeout(onSilence, Math.min(ms, MAX_TIMER_MS), new Error("The server does not answer."));

/**
 * Passes a source's items on; when none comes for `ms`, `onSilence` shall cut the source. The
 * time that the consumer takes does not count.
 */
export async function* watchSilence<Item>(
  source: AsyncIterable<Item>,
  ms: number,
  onSilence: (error: Error) => void,
): AsyncGenerator<Item> {
  const silent = () => onSilence(new Error(`The connection was silent for ${ms} ms.`));
  const start = () => setTimeout(silent, Math.min(ms, MAX_TIMER_MS));
  let timer = start();
  try {
    for await (const item of source) {
      clearTimeout(timer);
      yield item;
      timer = start();
    }
  } finally {
    clearTimeout(timer);
  }
}

/** One connection's own abort, which the subscription's signal sets off as well. */
export const linkedAbort = (signal: AbortSignal | undefined) => {
  const controller = new AbortController();
  const abort = (reason?: unknown) => {
    signal?.removeEventListener("abort", passOn);
    controller.abort(reason);
  };
  const passOn = () => abort(signal?.reason);
  signal?.addEventListener("abort", passOn);
  if (signal?.aborted) passOn();
  return { signal: controller.signal, abort };
};
