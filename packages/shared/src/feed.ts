import { GAP, isEventType, parseCursor, type FeedEvent, type Gap, type Json } from "./event.ts";
import { Problem } from "./problem.ts";

const TYPE_CURE =
  "type: must be lower-case words joined by dots, such as payment.success, at most 128 bytes.";
const CURSOR_CURE =
  "cursor: must be an id that this server gave, such as 1763675000123-42, or 0-0 for the oldest event.";
const AHEAD_CURE =
  "cursor: lies ahead of the newest event; use one that this server gave, or none to start from now.";

export interface FeedOptions {
  /** How many events the window keeps at the most. Default 10,000. */
  maxEvents?: number;
  /** How many bytes of JSON the window keeps at the most. Default 16 MiB. */
  maxBytes?: number;
  /** The feed's birth, in milliseconds since 1970. Default now. */
  epoch?: number;
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

export interface ReadOptions {
  /** Read what follows this cursor. Default: from now on. `0-0`: from the oldest retained. */
  after?: string | undefined;
  /** Only events of these types, and gaps. Default: all. */
  types?: readonly string[] | undefined;
}

export interface ReaderOptions extends ReadOptions {
  /** How many events one read returns at the most. Default 1,000. */
  limit?: number | undefined;
  /** How many bytes of JSON one read returns at the most, or else one event. Default 256 KiB. */
  maxBytes?: number | undefined;
  /**
   * Called when something was published: once for all that one turn of the event loop brought. One
   * that publishes is called again at once, so it must come to an end.
   */
  wake?: () => void;
}

/** Events that are read together. Readers that stand at the same place share one batch. */
export class Batch {
  readonly events: readonly FeedEvent[];
  /** Each event's JSON, made once, when it was published. */
  readonly json: readonly string[];
  /** How long that JSON is, in bytes of UTF-8. */
  readonly bytes: number;
  /** Where a reader stands that has read this batch. */
  readonly cursor: string;
  readonly #encoded = new Map<unknown, string | Uint8Array>();

  constructor(
    events: readonly FeedEvent[],
    json: readonly string[],
    bytes: number,
    cursor: string,
  ) {
    this.events = events;
    this.json = json;
    this.bytes = bytes;
    this.cursor = cursor;
  }

  /** `encode(this)`, done once for all readers that share this batch. */
  as<Encoded extends string | Uint8Array>(encode: (batch: Batch) => Encoded): Encoded {
    let known = this.#encoded.get(encode);
    if (known === undefined) this.#encoded.set(encode, (known = encode(this)));
    return known as Encoded;
  }
}

/** One subscriber's place in the feed. */
export interface Reader {
  /** Where it stands, as an id: past all that it was given and all that its filter left out. */
  readonly cursor: string;
  /** Whether there is more to look through for it now. */
  readonly behind: boolean;
  /** The next events; `undefined` when there is nothing new for this reader. */
  read(): Batch | undefined;
  /** Ends the wake-ups; from then on there is nothing to read. */
  close(): void;
}

interface Retained {
  readonly event: FeedEvent;
  readonly json: string;
  readonly bytes: number;
  readonly key: string | undefined;
}

interface Page {
  readonly from: number;
  readonly end: number;
  readonly newest: number;
  readonly batch: Batch | undefined;
}

/** What readers of one kind, the same filter and limits, share: the page that was made last. */
interface Kind {
  readonly limit: number;
  readonly maxBytes: number;
  readonly wanted: ReadonlySet<string> | undefined;
  page?: Page;
}

// One read returns no more than this, so that a long replay is handed over page by page.
const PAGE_EVENTS = 1_000;
const PAGE_BYTES = 262_144;

// So many kinds of readers share their pages at a time.
const MAX_KINDS = 64;

/**
 * The feed numbers what is published and keeps a window of it, bounded by count and by bytes.
 *
 * Whoever delivers holds a reader and asks it for what comes next. Replay and live are therefore
 * one thing, with no moment between them in which an event could be lost or doubled; and a slow
 * reader costs nothing but its place: what it has not read yet lies in the window, once for all.
 */
export class Feed {
  /** The millisecond in which the feed was born. */
  readonly epoch: number;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #now: () => number;
  // A ring: the event with offset n lies at n % maxEvents.
  readonly #ring: (Retained | undefined)[] = [];
  readonly #keys = new Map<string, FeedEvent>();
  readonly #wakes = new Set<() => void>();
  readonly #kinds = new Map<string, Kind>();
  #all: Kind | undefined;
  #oldest = 1;
  #newest = 0;
  #cursor: string;
  #bytes = 0;
  #announcing = false;

  constructor({ maxEvents = 10_000, maxBytes = 2 ** 24, epoch, now = Date.now }: FeedOptions = {}) {
    if (!(maxEvents >= 1) || !Number.isInteger(maxEvents))
      throw new RangeError("maxEvents: must be a whole number, 1 or more.");
    if (!(maxBytes >= 0)) throw new RangeError("maxBytes: must be a number of bytes, 0 or more.");
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.epoch = epoch ?? now();
    if (parseCursor(this.#id(0))?.epoch !== this.epoch)
      throw new RangeError("epoch: must be a whole number of milliseconds since 1970.");
    this.#cursor = this.#id(0);
  }

  /** The newest id; offset 0 while nothing was published. */
  get cursor(): string {
    return this.#cursor;
  }

  /** What the window holds. `oldest` is the id of the oldest retained event, or of the next one. */
  get window() {
    const events = this.#newest - this.#oldest + 1;
    return { oldest: this.#id(this.#oldest), newest: this.cursor, events, bytes: this.#bytes };
  }

  /** The retained event that was published with this idempotency key. SPEC.md, PUBLISH-5. */
  published(key: string): FeedEvent | undefined {
    return this.#keys.get(key);
  }

  /**
   * Numbers an event and puts it into the window. Readers are woken once for all that this turn of
   * the event loop publishes: a burst costs each subscriber one write, and a single event leaves
   * in the same turn, with no timer in its way.
   *
   * Throws a 422 problem when `type` is not an event type.
   */
  publish(type: string, data: Json, key?: string): FeedEvent {
    const event = this.draft(type, data);
    this.append(event, key);
    return event;
  }

  /**
   * The event that the next publish would be, or the one that would follow `ahead` others: for who
   * must write it to disk before anybody may see it. Throws a 422 problem like `publish`.
   */
  draft(type: string, data: Json, ahead = 0): FeedEvent {
    if (!isEventType(type)) throw new Problem(422, TYPE_CURE);
    const time = new Date(this.#now()).toISOString();
    return { id: this.#id(this.#newest + 1 + ahead), type, time, data };
  }

  /** Publishes a draft; whoever drafts several appends them in their order. */
  append(event: FeedEvent, key?: string): void {
    if (event.id !== this.#id(this.#newest + 1))
      throw new Error(`${event.id} is not the next event: something else was published meanwhile.`);
    // What JSON cannot carry throws here, before it could leave a hole.
    const json = JSON.stringify(event);
    const bytes = Buffer.byteLength(json);
    if (this.#newest - this.#oldest + 1 === this.#maxEvents) this.#dropOldest();
    this.#newest++;
    this.#cursor = event.id;
    this.#ring[this.#newest % this.#maxEvents] = { event, json, bytes, key };
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes && this.#oldest < this.#newest) this.#dropOldest();
    if (key !== undefined) this.#keys.set(key, event);
    if (!this.#announcing) setImmediate(() => this.#announce());
    this.#announcing = true;
  }

  /** Everything retained after a cursor, gap event included. Throws a 400 problem like `reader`. */
  since(after: string): FeedEvent[] {
    const reader = this.reader({ after });
    const events: FeedEvent[] = [];
    for (let batch = reader.read(); batch; batch = reader.read()) events.push(...batch.events);
    return events;
  }

  /** Replays what follows `after`, then goes live. Returns its unsubscribe. */
  subscribe(listener: (event: FeedEvent) => void, options: ReadOptions = {}): () => void {
    let draining = false;
    const drain = () => {
      // A listener that publishes may wake itself: it is in the middle of a batch, and goes on.
      if (draining) return;
      draining = true;
      try {
        for (let batch = reader.read(); batch; batch = reader.read())
          batch.events.forEach(listener);
      } finally {
        draining = false;
      }
    };
    const reader = this.reader({ ...options, wake: drain });
    drain();
    return () => reader.close();
  }

  /**
   * A place to read from. A cursor of another epoch, or older than the window, makes the first
   * event a `feed.gap`. Throws a 400 problem when the cursor is malformed or ahead of the feed.
   */
  reader({ after, types, limit, maxBytes, wake }: ReaderOptions = {}): Reader {
    // Everybody else is brought up to date first, so that all live readers stand at one place.
    this.#announce();
    const kind = this.#kind(types, limit, maxBytes);
    const found = after === undefined ? { place: this.#newest } : this.#find(after);
    return new Feed.#Place(this, kind, found, wake);
  }

  // A class in the class, so that it sees the feed's own parts. Thousands of these are visited for
  // each event, and what a visit costs is mostly the memory that it touches: one object is one.
  static readonly #Place = class implements Reader {
    readonly #feed: Feed;
    readonly #kind: Kind;
    readonly #wake: (() => void) | undefined;
    #place: number;
    #gap: Gap | undefined;
    #open = true;

    constructor(
      feed: Feed,
      kind: Kind,
      { place, gap }: { place: number; gap?: Gap },
      wake: (() => void) | undefined,
    ) {
      this.#feed = feed;
      this.#kind = kind;
      this.#place = place;
      this.#gap = gap;
      this.#wake = wake;
      if (wake) feed.#wakes.add(wake);
    }

    get cursor(): string {
      return this.#feed.#id(this.#place);
    }

    get behind(): boolean {
      return this.#open && this.#place < this.#feed.#newest;
    }

    read(): Batch | undefined {
      const feed = this.#feed;
      feed.#announce();
      if (!this.#open || (this.#place === feed.#newest && !this.#gap)) return undefined;
      const lost = this.#skip();
      const { end, batch } = feed.#page(this.#place, this.#kind);
      this.#place = end;
      if (!lost) return batch;
      const { events = [], json = [], bytes = 0 } = batch ?? {};
      const gap = JSON.stringify(lost);
      return new Batch([lost, ...events], [gap, ...json], gap.length + bytes, feed.#id(end));
    }

    close(): void {
      this.#open = false;
      if (this.#wake) this.#feed.#wakes.delete(this.#wake);
    }

    /** Steps over what the window no longer holds; the event that stands for it, if there is any. */
    #skip(): FeedEvent | undefined {
      const feed = this.#feed;
      if (this.#place < feed.#oldest - 1) {
        // A gap that waits to be read grows with the window's way.
        this.#gap = {
          after: feed.#id(this.#place),
          reason: "expired",
          ...this.#gap,
          resumesAt: feed.#id(feed.#oldest),
        };
        this.#place = feed.#oldest - 1;
      }
      const lost = this.#gap && feed.#gapEvent(this.#gap);
      this.#gap = undefined;
      return lost;
    }
  };

  #id(offset: number): string {
    return `${this.epoch}-${offset}`;
  }

  #find(after: string): { place: number; gap?: Gap } {
    // Where nearly all stand, poll after poll.
    if (after === this.#cursor) return { place: this.#newest };
    const cursor = parseCursor(after);
    if (!cursor) throw new Problem(400, CURSOR_CURE);
    const place = this.#oldest - 1;
    if (cursor.epoch === 0 && cursor.offset === 0) return { place };
    const resumesAt = this.#id(this.#oldest);
    if (cursor.epoch !== this.epoch) return { place, gap: { after, resumesAt, reason: "epoch" } };
    if (cursor.offset > this.#newest) throw new Problem(400, AHEAD_CURE);
    if (cursor.offset < place) return { place, gap: { after, resumesAt, reason: "expired" } };
    return { place: cursor.offset };
  }

  #gapEvent(gap: Gap): FeedEvent {
    const time = new Date(this.#now()).toISOString();
    return { id: this.#id(this.#oldest - 1), type: GAP, time, data: { ...gap } };
  }

  #kind(types: readonly string[] | undefined, limit = PAGE_EVENTS, maxBytes = PAGE_BYTES): Kind {
    // Most read everything, and in the same portions.
    const all = this.#all;
    if (!types && all?.limit === limit && all.maxBytes === maxBytes) return all;
    const name = `${limit} ${maxBytes} ${types ?? "*"}`;
    const known = this.#kinds.get(name);
    const kind = known ?? { limit, maxBytes, wanted: types && new Set(types).add(GAP) };
    if (!types) this.#all = kind;
    if (known) return known;
    if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
    this.#kinds.set(name, kind);
    return kind;
  }

  #page(from: number, kind: Kind): Page {
    if (kind.page?.from === from && kind.page.newest === this.#newest) return kind.page;
    const { limit, maxBytes, wanted } = kind;
    const newest = this.#newest;
    const events: FeedEvent[] = [];
    const json: string[] = [];
    let end = from;
    let bytes = 0;
    for (; end < newest && events.length < limit; end++) {
      const retained = this.#ring[(end + 1) % this.#maxEvents];
      if (!retained || (wanted && !wanted.has(retained.event.type))) continue;
      if (bytes > 0 && bytes + retained.bytes > maxBytes) break;
      events.push(retained.event);
      json.push(retained.json);
      bytes += retained.bytes;
    }
    const batch = events.length > 0 ? new Batch(events, json, bytes, this.#id(end)) : undefined;
    return (kind.page = { from, end, newest, batch });
  }

  #dropOldest(): void {
    const slot = this.#oldest++ % this.#maxEvents;
    const retained = this.#ring[slot];
    this.#ring[slot] = undefined;
    this.#bytes -= retained?.bytes ?? 0;
    if (retained?.key !== undefined) this.#keys.delete(retained.key);
  }

  #announce(): void {
    // A wake may publish: whoever reads or joins next does so after everybody was told of that, too.
    while (this.#announcing) {
      this.#announcing = false;
      for (const wake of this.#wakes) {
        // One subscriber's failure is its own: the others are woken all the same.
        try {
          wake();
        } catch (error) {
          console.error(error);
        }
      }
    }
  }
}
