import assert from "node:assert/strict";
import type { Clause } from "../clause.ts";
import { sameEvents } from "../follower.ts";
import { publish } from "../lane.ts";
import { publishAll, range } from "./delivery.ts";

export const clientClauses: readonly Clause[] = [
  {
    ids: ["CLIENT-4"],
    title: "does not try again and again what can never work: a URL that is none",
    async run({ follow }) {
      for (const url of ["nonsense", "ftp://127.0.0.1"])
        for (const options of [{}, { token: "a-token-of-the-kit" }])
          await assert.rejects(follow(url, options).opened(), { message: /^url: / });
    },
  },
  {
    ids: ["CLIENT-3", "CLIENT-4"],
    title: "stays away for as long as a busy server asks, in seconds or until a date",
    async run({ follow }) {
      const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
      for (const [status, retryAfter, leastMs] of [
        [503, "7", 7_000],
        [429, "120", 120_000],
        [503, inAnHour, 3_000_000],
      ] as const) {
        const headers = { "retry-after": retryAfter };
        const busy = Bun.serve({
          port: 0,
          hostname: "127.0.0.1",
          fetch: () => new Response(null, { status, headers }),
        });
        try {
          const follower = follow(busy.url.origin, { after: "0-0" });
          const pause = () => follower.notes.find((note) => note.kind === "retry");
          await follower.until(() => pause() !== undefined, "a pause");
          const inMs = pause()?.inMs ?? 0;
          assert.ok(inMs >= leastMs, `Retry-After: ${retryAfter} was answered with ${inMs} ms`);
          await follower.stop();
        } finally {
          await busy.stop(true);
        }
      }
    },
  },
  {
    ids: ["CLIENT-5", "FEED-5"],
    title: "leaves a line that has died without a word, and loses nothing",
    // Those clients who hear of events only by their own connection.
    needs: "browser",
    async run({ start, follow, tap }) {
      const { url } = await start();
      const between = await tap(url);
      const follower = follow(between.url, { silenceMs: 1_500, ...between.options });
      await follower.opened();
      const first = await publish(url, "kit.alive", 1);
      await follower.reached(first.id);
      between.tap.halfOpen();
      const second = await publish(url, "kit.alive", 2);
      await follower.reached(second.id);
      sameEvents(follower.events, [first, second]);
      const reasons = follower.notes.map((note) => (note.kind === "retry" ? note.reason : ""));
      assert.match(reasons.join(), /silent|does not answer/);
    },
  },
  {
    ids: ["CLIENT-5"],
    title: "stays with a line that is slow: bytes that arrive are signs of life",
    needs: "browser",
    async run({ start, follow, tap }) {
      const { url } = await start();
      const { id } = await publish(url, "kit.slow", "before");
      const data = range(1, 20).map(() => "x".repeat(1_000));
      const published = await publishAll(url, "kit.slow", data);
      const between = await tap(url);
      // All of it takes more than a second, and each event a twentieth of that.
      between.tap.throttle(20_000);
      const options = { after: id, silenceMs: 400, ...between.options };
      const follower = follow(between.url, options);
      await follower.reached(published.at(-1)!.id);
      sameEvents(follower.events, published);
    },
  },
];
