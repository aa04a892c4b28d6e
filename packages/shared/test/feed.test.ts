import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { isFeedEvent, type FeedEvent } from "../src/event.ts";
import { Feed, type Batch } from "../src/feed.ts";
import { Problem } from "../src/problem.ts";
import { turn } from "../src/random.ts";

const EPOCH = 1_000;

const feedOf = (count: number, options = {}) => {
  const feed = new Feed({ epoch: EPOCH, now: () => 5_000, ...options });
  for (let n = 1; n <= count; n++) feed.publish("a", n);
  return feed;
};

const ids = (events: readonly FeedEvent[] = []) => events.map(({ id }) => id);

const statusOf = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return error instanceof Problem ? error.status : error;
  }
  return "no error";
};

afterEach(() => {
  mock.restore();
});

describe("publish", () => {
  test("EVENT-1, EVENT-2: numbers the events from 1, without holes", () => {
    const feed = feedOf(0);
    expect(feed.cursor).toBe("1000-0");
    expect(feed.publish("payment.success", { amount: 42 })).toEqual({
      id: "1000-1",
      type: "payment.success",
      time: "1970-01-01T00:00:05.000Z",
      data: { amount: 42 },
    });
    expect(feed.publish("a", null).id).toBe("1000-2");
    expect(feed.cursor).toBe("1000-2");
  });

  test("EVENT-5: the time is the moment of publishing, in UTC, with milliseconds", () => {
    const moments = [0, 1_700_000_000_007];
    const feed = new Feed({ epoch: 1_000, now: () => moments.shift() ?? NaN });
    expect(feed.publish("a", null).time).toBe("1970-01-01T00:00:00.000Z");
    expect(feed.publish("a", null).time).toBe("2023-11-14T22:13:20.007Z");
  });

  test("EVENT-3, PUBLISH-6: a bad type is a 422 and spends no number", () => {
    const feed = feedOf(1);
    expect(statusOf(() => feed.publish("Payment", null))).toBe(422);
    expect(feed.publish("a", null).id).toBe("1000-2");
  });

  test("PUBLISH-6: data that JSON cannot carry leaves the feed as it was", () => {
    const feed = feedOf(2, { maxEvents: 2 });
    const before = feed.window;
    const data = JSON.parse("{}");
    data.itself = data;
    expect(() => feed.publish("a", data)).toThrow();
    expect(feed.window).toEqual(before);
    expect(ids(feed.since("0-0"))).toEqual(["1000-1", "1000-2"]);
    expect(feed.publish("a", null).id).toBe("1000-3");
  });

  test.each([-1, 1.5, 1e15, NaN])("EVENT-2: %d is no epoch, for it makes no cursors", (epoch) => {
    expect(() => new Feed({ epoch })).toThrow(RangeError);
  });

  test("FEED-4: the newest is retained whatever its size", () => {
    const feed = feedOf(3, { maxBytes: 10 });
    expect(ids(feed.since("0-0"))).toEqual(["1000-3"]);
    const { bytes, ...window } = feed.window;
    expect(window).toEqual({ oldest: "1000-3", newest: "1000-3", events: 1 });
    expect(bytes).toBe(JSON.stringify(feed.since("0-0")[0]).length);
  });

  test("bytes are counted, not characters", () => {
    const feed = new Feed();
    const event = feed.publish("a", "ä€😀");
    expect(feed.window.bytes).toBe(new TextEncoder().encode(JSON.stringify(event)).length);
  });

  test.each([
    ["the number of events", { maxEvents: 2 }],
    ["the bytes", { maxBytes: 150 }],
  ])("PUBLISH-5: an idempotency key leaves the window with its event, for %s", (_, options) => {
    const feed = feedOf(0, options);
    const first = feed.publish("a", 1, "key");
    expect(feed.published("key")).toBe(first);
    feed.publish("a", 2);
    expect(feed.published("key")).toBe(first);
    feed.publish("a", 3);
    expect(feed.published("key")).toBeUndefined();
    expect(feed.published("another")).toBeUndefined();
  });
});

describe("a cursor", () => {
  // 1 to 5 were published, 3 to 5 are retained.
  const cases: [string, string, number[] | undefined, string[]][] = [
    ["0-0: the oldest retained, no gap (CURSOR-3)", "0-0", undefined, ["3", "4", "5"]],
    ["just before the oldest: no gap", "1000-2", undefined, ["3", "4", "5"]],
    ["in the window", "1000-4", undefined, ["5"]],
    ["the newest", "1000-5", undefined, []],
    ["too old: a gap (GAP-1)", "1000-1", [2, 3], ["3", "4", "5"]],
    ["before the first event: a gap (CURSOR-1)", "1000-0", [2, 3], ["3", "4", "5"]],
    ["of a former life: a gap (GAP-1)", "999-4", [2, 3], ["3", "4", "5"]],
    ["of a later life, though ahead: a gap", "1001-99", [2, 3], ["3", "4", "5"]],
    ["of epoch 0: a gap", "0-1", [2, 3], ["3", "4", "5"]],
  ];
  test.each(cases)("%s", (_, after, gap, offsets) => {
    const events = feedOf(5, { maxEvents: 3 }).since(after);
    const first = events[0];
    if (gap) {
      expect(first).toEqual({
        id: `1000-${gap[0]}`,
        type: "feed.gap",
        time: "1970-01-01T00:00:05.000Z",
        data: {
          after,
          resumesAt: `1000-${gap[1]}`,
          reason: after.startsWith("1000-") ? "expired" : "epoch",
        },
      });
    }
    expect(ids(events.slice(gap ? 1 : 0))).toEqual(offsets.map((offset) => `1000-${offset}`));
    expect(events.every(isFeedEvent)).toBe(true);
  });

  test("CURSOR-5: ahead of the newest event is a 400", () => {
    expect(statusOf(() => feedOf(5).reader({ after: "1000-6" }))).toBe(400);
    expect(statusOf(() => feedOf(0).reader({ after: "1000-1" }))).toBe(400);
    expect(feedOf(0).since("1000-0")).toEqual([]);
  });

  test("CURSOR-2: malformed is a 400", () => {
    for (const after of ["", "1000", "1000-", "-1", "1000-01"])
      expect(statusOf(() => feedOf(5).reader({ after }))).toBe(400);
  });

  test("CURSOR-4: none is from now on, with the place to say so", () => {
    const feed = feedOf(5);
    const reader = feed.reader();
    expect(reader.cursor).toBe("1000-5");
    expect(reader.read()).toBeUndefined();
    feed.publish("a", 6);
    expect(ids(reader.read()?.events)).toEqual(["1000-6"]);
  });

  test("GAP-3: a gap's id in an empty feed is the place before its first event", () => {
    const feed = feedOf(0);
    const [gap, ...rest] = feed.since("999-7");
    expect(gap).toMatchObject({ id: "1000-0", data: { resumesAt: "1000-1", reason: "epoch" } });
    expect(rest).toEqual([]);
    feed.publish("a", 1);
    expect(ids(feed.since(gap?.id ?? ""))).toEqual(["1000-1"]);
  });
});

describe("a reader", () => {
  test("GAP-4: is told when it falls out of the window", () => {
    const feed = feedOf(1, { maxEvents: 3 });
    const reader = feed.reader({ after: "1000-1" });
    for (let n = 2; n <= 6; n++) feed.publish("a", n);
    const [gap, ...rest] = reader.read()?.events ?? [];
    expect(gap).toMatchObject({
      id: "1000-3",
      data: { after: "1000-1", resumesAt: "1000-4", reason: "expired" },
    });
    expect(ids(rest)).toEqual(["1000-4", "1000-5", "1000-6"]);
  });

  test("GAP-2: a gap that waits to be read declares what was lost meanwhile, too", () => {
    const feed = feedOf(5, { maxEvents: 3 });
    const reader = feed.reader({ after: "999-1" });
    feed.publish("a", 6);
    const [gap, ...rest] = reader.read()?.events ?? [];
    expect(gap).toMatchObject({
      id: "1000-3",
      data: { after: "999-1", resumesAt: "1000-4", reason: "epoch" },
    });
    expect(ids(rest)).toEqual(["1000-4", "1000-5", "1000-6"]);
  });

  test("FILTER-3, FILTER-4: a filter lets gaps pass, and the cursor passes what it left out", () => {
    const feed = feedOf(5, { maxEvents: 3 });
    const reader = feed.reader({ after: "1000-1", types: ["b"] });
    expect(reader.read()?.events.map(({ type }) => type)).toEqual(["feed.gap"]);
    expect(reader.cursor).toBe("1000-5");
    feed.publish("b", 6);
    feed.publish("a", 7);
    expect(ids(reader.read()?.events)).toEqual(["1000-6"]);
    expect(reader.cursor).toBe("1000-7");
    feed.publish("a", 8);
    expect(reader.read()).toBeUndefined();
    expect(reader.cursor).toBe("1000-8");
  });

  test("an empty filter lets nothing but gaps pass, whoever read before it", () => {
    const feed = feedOf(5);
    expect(feed.reader({ after: "0-0" }).read()?.events).toHaveLength(5);
    expect(feed.reader({ after: "0-0", types: [] }).read()).toBeUndefined();
  });

  test("reads page by page, bounded by `limit` and by bytes", () => {
    const feed = feedOf(5);
    const reader = feed.reader({ after: "0-0", limit: 2 });
    const pages = [reader.read(), reader.read(), reader.read(), reader.read()];
    expect(pages.map((page) => page?.events.length)).toEqual([2, 2, 1, undefined]);
    expect(pages.map((page) => page?.cursor)).toEqual(["1000-2", "1000-4", "1000-5", undefined]);

    for (let n = 0; n < 10; n++) feed.publish("big", "x".repeat(100_000));
    const big = feed.reader({ after: "1000-5" });
    expect(big.read()?.events).toHaveLength(2);
  });

  test("after close there is nothing to read and no wake-up", async () => {
    const feed = feedOf(1);
    const wake = mock();
    const reader = feed.reader({ after: "0-0", wake });
    reader.close();
    feed.publish("a", 2);
    await turn();
    expect(reader.read()).toBeUndefined();
    expect(wake).not.toHaveBeenCalled();
  });
});

describe("many readers", () => {
  test("at the same place share one batch, encoded once", () => {
    const feed = feedOf(5);
    const batches = Array.from({ length: 50 }, () => feed.reader({ after: "1000-2" }).read());
    const [first] = batches;
    expect(ids(first?.events)).toEqual(["1000-3", "1000-4", "1000-5"]);
    for (const batch of batches) expect(batch).toBe(first);

    const encode = mock(({ json }: Batch) => json.join());
    for (const batch of batches) batch?.as(encode);
    expect(encode).toHaveBeenCalledTimes(1);
    const other = mock(({ json }: Batch) => json.join(";"));
    expect(first?.as(other)).not.toBe(first?.as(encode));
  });

  test("share a batch live as well, each filter its own", async () => {
    const feed = feedOf(1);
    const batches = new Map<string, Set<Batch | undefined>>();
    for (let n = 0; n < 30; n++) {
      const types = [undefined, ["a"], ["b"]][n % 3];
      const seen = batches.get(`${types}`) ?? new Set();
      batches.set(`${types}`, seen);
      const reader = feed.reader({ types, wake: () => seen.add(reader.read()) });
    }
    feed.publish("a", 2);
    feed.publish("b", 3);
    await turn();
    const shape = (seen = new Set<Batch | undefined>()) => [...seen].map((b) => ids(b?.events));
    expect(shape(batches.get("undefined"))).toEqual([["1000-2", "1000-3"]]);
    expect(shape(batches.get("a"))).toEqual([["1000-2"]]);
    expect(shape(batches.get("b"))).toEqual([["1000-3"]]);
  });

  test("are woken once for all that one turn published", async () => {
    const feed = feedOf(0);
    const wakes = Array.from({ length: 10 }, () => mock());
    for (const wake of wakes) feed.reader({ wake });
    for (let n = 0; n < 5; n++) feed.publish("a", n);
    for (const wake of wakes) expect(wake).toHaveBeenCalledTimes(0);
    await turn();
    for (const wake of wakes) expect(wake).toHaveBeenCalledTimes(1);
    await turn();
    feed.publish("a", 5);
    await turn();
    for (const wake of wakes) expect(wake).toHaveBeenCalledTimes(2);
  });

  test("a reader that joins is not woken for what it was given before", async () => {
    const feed = feedOf(0);
    await turn();
    const early = mock();
    const late = mock();
    feed.reader({ wake: early });
    feed.publish("a", 1);
    feed.reader({ wake: late });
    expect(early).toHaveBeenCalledTimes(1);
    await turn();
    expect(early).toHaveBeenCalledTimes(1);
    expect(late).toHaveBeenCalledTimes(0);
  });

  test("FEED-3: what one publishes when it is woken is told before anybody joins or reads on", () => {
    const feed = feedOf(0);
    const told: string[] = [];
    feed.reader({ wake: () => told.push(feed.cursor) });
    feed.reader({ wake: () => feed.cursor === "1000-1" && feed.publish("a", "more") });
    feed.publish("a", 1);
    const late = mock();
    const reader = feed.reader({ after: "1000-0", wake: late });
    expect(told).toEqual(["1000-1", "1000-2"]);
    expect(ids(reader.read()?.events)).toEqual(["1000-1", "1000-2"]);
    expect(late).not.toHaveBeenCalled();
  });

  test("one that throws hurts nobody else, and is reported", async () => {
    const report = spyOn(console, "error").mockImplementation(() => {});
    const feed = feedOf(0);
    const failure = new Error("a subscriber that fails");
    const got: string[] = [];
    feed.subscribe(({ id }) => got.push(id));
    feed.subscribe(() => {
      throw failure;
    });
    feed.subscribe(({ id }) => got.push(id));
    feed.publish("a", 1);
    await turn();
    expect(got).toEqual(["1000-1", "1000-1"]);
    expect(report).toHaveBeenCalledWith(failure);
  });
});

describe("subscribe", () => {
  test("replays, goes live, and ends with its unsubscribe", async () => {
    const feed = feedOf(3);
    const got: string[] = [];
    const unsubscribe = feed.subscribe(({ id }) => got.push(id), { after: "1000-1" });
    expect(got).toEqual(["1000-2", "1000-3"]);
    feed.publish("a", 4);
    await turn();
    expect(got).toEqual(["1000-2", "1000-3", "1000-4"]);
    unsubscribe();
    feed.publish("a", 5);
    await turn();
    expect(got).toHaveLength(3);
  });

  test("FEED-1: a listener that publishes and reads in the middle of a batch stays in order", async () => {
    const feed = feedOf(0);
    const got: string[] = [];
    feed.subscribe(({ id }) => {
      got.push(id);
      if (id === "1000-1") feed.publish("a", "more");
      feed.since("0-0");
    });
    feed.publish("a", 1);
    feed.publish("a", 2);
    await turn();
    await turn();
    expect(got).toEqual(["1000-1", "1000-2", "1000-3"]);
  });
});
