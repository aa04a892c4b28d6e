import { afterEach, beforeEach, expect, mock, spyOn, test } from "bun:test";
import type { FeedEvent } from "../src/event.ts";
import { Feed, type Batch, type Reader } from "../src/feed.ts";
import { Problem } from "../src/problem.ts";
import { createRandom, forSeeds, turn, type Random } from "../src/random.ts";

const EPOCH = 1_763_675_000_123;
const TYPES = ["a", "b.c", "d_1"];
const PAGE_BYTES = 256 * 1024;

// A wake that throws is reported there; the tests throw on purpose.
const report = mock();
beforeEach(() => {
  spyOn(console, "error").mockImplementation(report);
});
afterEach(() => {
  mock.restore();
});

/** The feed's oracle: a plain array that forgets nothing, and where its window begins. */
class Model {
  readonly all: { event: FeedEvent; bytes: number; key: string | undefined }[] = [];
  readonly maxEvents: number;
  readonly maxBytes: number;
  oldest = 1;

  constructor(maxEvents: number, maxBytes: number) {
    this.maxEvents = maxEvents;
    this.maxBytes = maxBytes;
  }

  get newest() {
    return this.all.length;
  }

  get retained() {
    return this.all.slice(this.oldest - 1);
  }

  get bytes() {
    return this.retained.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  add(event: FeedEvent, key?: string) {
    this.all.push({ event, bytes: Buffer.byteLength(JSON.stringify(event)), key });
    const full = () =>
      this.newest - this.oldest + 1 > this.maxEvents ||
      (this.bytes > this.maxBytes && this.oldest < this.newest);
    while (full()) this.oldest++;
  }
}

const id = (offset: number) => `${EPOCH}-${offset}`;

const offsetOf = (text: string) => Number(text.split("-")[1]);

const check = (holds: boolean, what: string) => {
  if (!holds) throw new Error(what);
};

/** A cursor and what it must bring: a place, with or without a gap, or a refusal. */
interface Cursor {
  after: string | undefined;
  place: number | "refused";
  reason?: string;
}

const randomCursor = (random: Random, model: Model): Cursor => {
  const first = model.oldest - 1;
  const kinds: (() => Cursor)[] = [
    () => ({ after: undefined, place: model.newest }),
    () => ({ after: "0-0", place: first }),
    () => {
      const offset = random.int(first, model.newest);
      return { after: id(offset), place: offset };
    },
    () => {
      const offset = random.int(0, first);
      return { after: id(offset), place: first, ...(offset < first && { reason: "expired" }) };
    },
    () => {
      const epoch = EPOCH + random.pick([-1, 1, 5_000_000, -EPOCH]);
      const after = `${epoch}-${random.int(1, model.newest + 5)}`;
      return { after, place: first, reason: "epoch" };
    },
    () => ({ after: id(model.newest + random.int(1, 9)), place: "refused" }),
    () => ({
      after: random.pick([
        "",
        "-1",
        "1.5",
        "1e3",
        "0x1",
        "\0",
        "1-",
        `${id(1)} `,
        "1".repeat(10_240),
      ]),
      place: "refused",
    }),
  ];
  return random.pick(kinds)();
};

/**
 * A reader beside what it must see. `read` compares each batch with the oracle's; `account` walks
 * the log again in another way: what was got plus what was declared lost is everything.
 */
class Follower {
  readonly reader: Reader;
  readonly types: readonly string[] | undefined;
  readonly limit: number;
  readonly start: number;
  readonly log: FeedEvent[] = [];
  /** Something was published, and nobody has woken it yet. */
  due = false;
  left = false;
  readonly #model: Model;
  readonly #after: string | undefined;
  #place: number;
  #reason: string | undefined;
  #lostFrom: string | undefined;

  constructor(random: Random, feed: Feed, model: Model, onWake: (follower: Follower) => void) {
    const cursor = randomCursor(random, model);
    this.#model = model;
    this.types = random.pick([undefined, undefined, ["a"], ["a", "b.c"], ["none"], []]);
    this.limit = random.pick([1, 2, 7, 1_000]);
    const { types, limit } = this;
    const wake = () => {
      this.due = false;
      onWake(this);
    };
    const open = () => feed.reader({ after: cursor.after, types, limit, wake });
    if (cursor.place === "refused") {
      expect(open).toThrow(Problem);
      cursor.after = undefined;
      cursor.place = model.newest;
    }
    this.reader = open();
    this.#after = cursor.after;
    this.#place = this.start = cursor.place;
    this.#reason = cursor.reason;
  }

  wants(event: FeedEvent) {
    return !this.types || this.types.includes(event.type);
  }

  read(): Batch | undefined {
    // Reading brings everybody up to date, so this follower may be woken, and read, inside of it.
    const batch = this.reader.read();
    if (this.left) {
      check(batch === undefined, "read after close");
      return undefined;
    }
    const { oldest, newest } = this.#model;
    if (this.#place < oldest - 1) {
      // What it came with is what it lost from, even when the window has moved on since.
      if (!this.#reason) this.#lostFrom = id(this.#place);
      this.#reason ??= "expired";
      this.#place = oldest - 1;
    }
    const got = [...(batch?.events ?? [])];
    check(!batch || batch.json.every((text, i) => text === JSON.stringify(got[i])), "json differs");
    check(!batch || batch.cursor === this.reader.cursor, "the batch's cursor is not the reader's");
    this.log.push(...got);

    if (this.#reason) {
      const gap = got.shift();
      expect(gap).toEqual({
        id: id(oldest - 1),
        type: "feed.gap",
        time: gap?.time ?? "missing",
        data: {
          after: this.#lostFrom ?? this.#after ?? "",
          resumesAt: id(oldest),
          reason: this.#reason,
        },
      });
      this.#reason = this.#lostFrom = undefined;
    }
    const due = this.#model.all
      .slice(this.#place)
      .map(({ event }) => event)
      .filter((event) => this.wants(event));
    check(got.length <= this.limit, "more than the limit");
    check(
      got.every((event, i) => event === due[i]),
      "a hole, a double or a reorder",
    );
    // A page is full as well when the event after it, wanted or not, would make it too long.
    const end = offsetOf(this.reader.cursor);
    const after = this.#model.all.slice(end, end + 1);
    const json = [...got, ...after.map(({ event }) => event)].map((event) => JSON.stringify(event));
    const full = got.length === this.limit || Buffer.byteLength(json.join("")) > PAGE_BYTES;
    check(got.length === due.length || full, "a short page");
    check(batch !== undefined || due.length === 0, "nothing, though something is due");

    const place = offsetOf(this.reader.cursor);
    const next = due[got.length];
    check(place >= offsetOf(got.at(-1)?.id ?? id(this.#place)), "the cursor fell back");
    check(place < (next ? offsetOf(next.id) : newest + 1), "the cursor ran ahead");
    check(full || place === newest, "the cursor stayed behind what the filter left out");
    this.#place = place;
    return batch;
  }

  drain() {
    while (this.read()) {}
  }

  account() {
    const end = this.left ? this.#place : this.#model.newest;
    accountFor(this.log, this.#model, this.start, end, (event) => this.wants(event));
  }
}

/** SPEC.md, GAP-5: no offset twice, none missing, each gap exactly where something is lost. */
const accountFor = (
  log: readonly FeedEvent[],
  model: Model,
  start: number,
  end: number,
  wants: (event: FeedEvent) => boolean,
) => {
  let place = start;
  const skip = (to: number) => {
    for (; place < to; place++) {
      const skipped = model.all[place]?.event;
      check(!skipped || !wants(skipped), `lost in silence: ${skipped?.id}`);
    }
  };
  for (const event of log) {
    const offset = offsetOf(event.id);
    if (event.type === "feed.gap") {
      check(offset >= place, "a gap that leads back");
      place = offset;
    } else {
      check(offset > place, "delivered twice, or out of order");
      skip(offset - 1);
      check(wants(event), "the filter does not want this");
      place = offset;
    }
  }
  skip(end);
};

test("GAP-5: random publishes, cursors, windows, filters and readers: no hole, double, reorder or silent gap", async () => {
  await forSeeds(400, async (random) => {
    const maxEvents = random.pick([1, 2, 3, 10, 50, 10_000]);
    const maxBytes = random.pick([1, 300, 2_000, 20_000, 2 ** 24]);
    // Sometimes few but large events, so that a page ends by its bytes.
    const maxSize = random.pick([0, 20, 20, 400, 90_000]);
    const feed = new Feed({ maxEvents, maxBytes, epoch: EPOCH });
    const model = new Model(maxEvents, maxBytes);
    let followers: Follower[] = [];
    const gone: Follower[] = [];
    let keys = 0;

    const publish = () => {
      const data = "x".repeat(random.int(0, maxSize));
      const key = random.chance(0.3) ? `key ${keys++}` : undefined;
      model.add(feed.publish(random.pick(TYPES), data, key), key);
      for (const follower of followers) follower.due = true;

      const { oldest, newest, events, bytes } = feed.window;
      expect({ oldest, newest }).toEqual({ oldest: id(model.oldest), newest: id(model.newest) });
      check(events <= maxEvents && (bytes <= maxBytes || events === 1), "the window's bounds");
      check(events === model.retained.length && bytes === model.bytes, "the window's sums");
    };
    // Some read as soon as they are woken, some whenever they like, some throw, some join or leave.
    const onWake = (follower: Follower) => {
      if (random.chance(0.5)) follower.read();
      if (random.chance(0.1)) throw new Error("a subscriber that fails");
      if (random.chance(0.02)) leave(follower);
    };
    const join = () => followers.push(new Follower(random, feed, model, onWake));
    const leave = (follower: Follower) => {
      follower.reader.close();
      follower.left = true;
      followers = followers.filter((other) => other !== follower);
      gone.push(follower);
    };

    const steps = random.int(5, maxSize > 1_000 ? 40 : 120);
    for (let step = 0; step < steps; step++) {
      const act = random.next();
      const one = followers[random.int(0, followers.length - 1)];
      if (act < 0.5) publish();
      else if (act < 0.6) join();
      else if (act < 0.63 && one) leave(one);
      else if (act < 0.8 && one) one.read();
      else if (act < 0.85) {
        await turn();
        check(!followers.some(({ due }) => due), "a subscriber that nobody woke");
      }
    }
    // Whoever reads first wakes the others, once more.
    feed.since("0-0");
    for (const follower of followers) {
      follower.drain();
      check(follower.reader.cursor === feed.cursor, "not at the end after the end");
      follower.account();
    }
    for (const follower of gone) {
      check(follower.reader.read() === undefined, "read after close");
      follower.account();
    }
    for (const { key, event } of model.all.slice(0, model.oldest - 1))
      check(!key || feed.published(key) === undefined, `the key of ${event.id} outlives it`);
    for (const { key, event } of model.retained)
      check(!key || feed.published(key) === event, `the key of ${event.id} is forgotten`);
    expect(feed.since("0-0")).toEqual(model.retained.map(({ event }) => event));
  });
});

test("random listeners that publish, read and subscribe while they listen stay in order", async () => {
  await forSeeds(300, async (random) => {
    const maxEvents = random.pick([5, 20, 1_000]);
    const feed = new Feed({ maxEvents, epoch: EPOCH });
    const model = new Model(maxEvents, 2 ** 24);
    const lives: { log: FeedEvent[]; start: number }[] = [];
    const publish = () => {
      // Published events are recorded by the one who publishes, before anybody can hear of them.
      if (model.newest < 300) model.add(feed.publish(random.pick(TYPES), null));
    };
    const subscribe = () => {
      if (lives.length >= 8) return;
      const log: FeedEvent[] = [];
      const start = random.int(0, model.newest);
      lives.push({ log, start });
      feed.subscribe(
        (event) => {
          log.push(event);
          if (random.chance(0.1)) publish();
          if (random.chance(0.1)) feed.since("0-0");
          if (random.chance(0.05)) subscribe();
        },
        { after: id(start) },
      );
    };
    for (let step = 0; step < 30; step++) {
      random.pick([publish, publish, publish, subscribe])();
      if (random.chance(0.2)) await turn();
    }
    for (let quiet = false; !quiet;) {
      const before = model.newest;
      await turn();
      quiet = model.newest === before;
    }
    for (const { log, start } of lives) accountFor(log, model, start, model.newest, () => true);
  });
});

test("FEED-3: published during the hand-over, at whatever moment, it arrives exactly once", async () => {
  const moments = [
    "before",
    "in the first event",
    "in the last event",
    "in another's wake",
    "after",
    "in a microtask",
    "later",
  ] as const;
  for (let round = 0; round < 350; round++) {
    const random = createRandom(round);
    const moment = moments[round % moments.length];
    const feed = new Feed({ epoch: EPOCH });
    for (let n = 1; n <= 10; n++) feed.publish("a", n);
    if (random.chance(0.5)) await turn();

    const eleventh = () => feed.publish("a", 11);
    let done = false;
    const once = () => {
      if (!done) eleventh();
      done = true;
    };
    if (moment === "in another's wake") {
      feed.reader({ wake: once });
      feed.reader({ wake: () => feed.since("0-0") });
      done = true;
      feed.publish("a", 10.5);
      await turn();
      done = false;
    }
    const history = offsetOf(feed.cursor);
    if (moment === "in another's wake") feed.publish("a", 10.75);
    if (moment === "before") once();

    const got: number[] = [];
    feed.subscribe(
      (event) => {
        got.push(offsetOf(event.id));
        if (moment === "in the first event") once();
        if (moment === "in the last event" && event.id === id(10)) once();
      },
      { after: id(8) },
    );
    if (moment === "after") once();
    if (moment === "in a microtask") queueMicrotask(once);
    if (moment === "later") setImmediate(once);
    while (!done) await turn();
    await turn();
    await turn();

    const last = moment === "in another's wake" ? history + 2 : 11;
    expect(got).toEqual(Array.from({ length: last - 8 }, (_, i) => 9 + i));
  }
});
