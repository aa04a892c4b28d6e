import type { FeedEvent, Json } from "@tidings/shared";
import assert from "node:assert/strict";
import type { Clause } from "../clause.ts";
import { offsetOf, sameEvents } from "../follower.ts";
import { publish } from "../lane.ts";

// Data that has broken encoders before: line ends, separators, emoji, markup, depth, size.
const AWKWARD: readonly Json[] = [
  null,
  true,
  0,
  -1.5e-7,
  "",
  "two\nlines\r\nand\ra third",
  "data: not a field\n\nid: 1-1",
  "\u0000\u001f\u2028\u2029\ufeff",
  "héllo 👋🏽 \u{1f469}\u200d\u{1f469}\u200d\u{1f466}",
  [],
  {},
  { "": { "a.b": [[[{ c: null }]]] } },
  { __proto__: null, constructor: "x" },
  "x".repeat(40_000),
];

/** Publishes one after the other, and returns the events as the server answered them. */
export const publishAll = async (url: string, type: string, data: readonly Json[]) => {
  const events: FeedEvent[] = [];
  for (const each of data) events.push(await publish(url, type, each));
  return events;
};

export const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

export const deliveryClauses: readonly Clause[] = [
  {
    ids: ["FEED-1", "FEED-2", "EVENT-1", "EVENT-6"],
    title: "delivers each event once, in order, exactly as it was published",
    async run({ start, follow }) {
      const { url } = await start();
      const follower = await follow(url).opened();
      const published = await publishAll(url, "kit.awkward", [...AWKWARD, ...range(1, 200)]);
      await follower.reached(published.at(-1)!.id);
      sameEvents(follower.events, published);
    },
  },
  {
    ids: ["CURSOR-4", "CURSOR-6"],
    title: "without a cursor, delivers from now on",
    async run({ start, follow }) {
      const { url } = await start();
      await publishAll(url, "kit.before", range(1, 10));
      const follower = await follow(url).opened();
      const published = await publishAll(url, "kit.after", range(11, 20));
      await follower.reached(published.at(-1)!.id);
      sameEvents(follower.events, published);
    },
  },
  {
    ids: ["FEED-5", "CURSOR-3"],
    title: "replays exactly what follows a cursor, and everything after 0-0",
    needs: "replay",
    async run({ start, follow }) {
      const { url } = await start();
      const published = await publishAll(url, "kit.replay", range(1, 30));
      const last = published.at(-1)!.id;
      for (const from of [0, 1, 8, 29]) {
        const after = from === 0 ? "0-0" : published[from - 1]!.id;
        await using follower = follow(url, { after });
        await follower.reached(last);
        // A stranger's server may have had events before ours.
        const own = follower.events.filter(({ id }) => offsetOf(id) >= offsetOf(published[0]!.id));
        sameEvents(own, published.slice(from), `after event ${from}`);
      }
    },
  },
  {
    ids: ["FEED-3"],
    title: "loses and doubles nothing that is published during the hand-over, 300 times",
    needs: "replay",
    async run({ start, follow }) {
      const { url } = await start();
      let history = await publishAll(url, "kit.history", range(1, 10));
      for (let round = 0; round < 60; round++) {
        // Five newcomers each time, and publishing goes on while they are taken in.
        const after = history.at(-3)!.id;
        const followers = range(1, 5).map(() => follow(url, { after }));
        const during = await publishAll(url, "kit.during", range(1, 4));
        for (const follower of followers) {
          await follower.reached(during.at(-1)!.id);
          sameEvents(follower.events, [...history.slice(-2), ...during], `round ${round}`);
        }
        await Promise.all(followers.map((follower) => follower.stop()));
        history = during;
      }
    },
  },
  {
    ids: ["GAP-1", "GAP-2", "GAP-3"],
    title: "answers a cursor of another epoch, or one that has expired, with a gap event",
    needs: "replay",
    intrusive: true,
    async run({ start, follow }) {
      const { url } = await start({ feed: { maxEvents: 10 } });
      const published = await publishAll(url, "kit.gap", range(1, 25));
      const retained = published.slice(-10);
      const resumesAt = retained[0]!.id;
      const cases = [
        { after: published[3]!.id, reason: "expired" },
        { after: "1000000000000-7", reason: "epoch" },
      ];
      for (const { after, reason } of cases) {
        await using follower = follow(url, { after });
        await follower.reached(retained.at(-1)!.id);
        const [gap, ...rest] = follower.events;
        assert.equal(gap?.type, "feed.gap");
        assert.deepEqual(gap.data, { after, resumesAt, reason });
        assert.equal(offsetOf(gap.id), offsetOf(resumesAt) - 1);
        sameEvents(rest, retained);
      }
      // The event just before the oldest retained one is no gap: nothing is missing after it.
      await using exact = follow(url, { after: published[14]!.id });
      await exact.reached(retained.at(-1)!.id);
      sameEvents(exact.events, retained);
    },
  },
  {
    ids: ["FILTER-1"],
    title: "delivers only the types that were asked for",
    needs: "filters",
    async run({ start, follow }) {
      const { url } = await start();
      const follower = await follow(url, { types: ["kit.a", "kit.c"] }).opened();
      const published: FeedEvent[] = [];
      for (const n of range(1, 60)) {
        published.push(await publish(url, `kit.${["a", "b", "c", "a.b"][n % 4]}`, n));
      }
      const wanted = published.filter(({ type }) => type === "kit.a" || type === "kit.c");
      await follower.reached(wanted.at(-1)!.id);
      sameEvents(follower.events, wanted);
    },
  },
  {
    ids: ["FILTER-4"],
    title: "moves a filtered cursor on, so that a quiet client comes back without a false gap",
    needs: "filters",
    intrusive: true,
    async run({ lane, start, follow, tap }) {
      const { url } = await start({ feed: { maxEvents: 20 } });
      const between = await tap(url);
      const types = ["kit.rare"];
      const follower = await follow(between.url, { types, ...between.options }).opened();
      const first = await publish(url, "kit.rare", 1);
      await follower.reached(first.id);
      // The window moves on past it, with nothing for this client in it. A webhook's place lies
      // with the provider; everybody else is told. An answer may name the place twice, so the
      // third time proves that the client has had the whole of the first.
      for (const from of [1, 11, 21]) {
        const newest = (await publishAll(url, "kit.common", range(from, from + 9))).at(-1)!;
        if (lane.technique.pair) continue;
        for (const _ of range(1, 3)) await between.tap.seen("down", newest.id);
      }
      between.tap.cut({ how: "close" });
      const second = await publish(url, "kit.rare", 2);
      await follower.reached(second.id);
      sameEvents(follower.events, [first, second]);
    },
  },
];
