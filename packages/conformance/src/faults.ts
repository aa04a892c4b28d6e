import assert from "node:assert/strict";
import type { Fault } from "./fault.ts";
import { comeAndGo } from "./clauses/faults.ts";
import { range } from "./clauses/delivery.ts";
import { sameEvents } from "./follower.ts";
import { openFront } from "./front.ts";
import { eventually, status } from "./lane.ts";

const MiB = 2 ** 20;
const STALLED_BYTES = 50_000;
const SEATS = 4;

/** The script: what goes wrong, one after the other. To add a fault, add an entry. */
export const faults: readonly Fault[] = [
  {
    title: "cut between events",
    async run({ between, play, random, quick, whole }) {
      for (const _ of range(1, quick ? 3 : 10)) {
        between.tap.cut();
        await play(random.int(1, 5));
        await whole();
      }
    },
  },
  {
    title: "cut inside an event",
    async run({ between, direction, play, mark, random, quick, whole }) {
      for (const _ of range(1, quick ? 3 : 10)) {
        const cut = between.tap.cutAfter({ text: mark(2), bytes: random.int(0, 50), direction });
        await play(random.int(2, 5));
        await cut;
        await whole();
      }
    },
  },
  {
    title: "cut at the hand-over",
    async run({ between: { tap }, direction, play, mark, random, quick, whole }) {
      for (const _ of range(1, quick ? 2 : 6)) {
        tap.refuse();
        tap.cut();
        // One cut in the replay, one in its last event.
        const cuts = [mark(random.int(2, 19)), mark(20)].map((text) =>
          tap.cutAfter({ text, bytes: random.int(0, 50), direction }),
        );
        await play(20);
        const { total } = tap.connections;
        tap.accept();
        // Whenever the client comes back, and it has to come three times, publishing goes on.
        for (const time of range(1, 3)) {
          await tap.connected(total + time);
          await play(10);
        }
        await Promise.all(cuts);
        await whole();
      }
    },
  },
  {
    title: "stalled reader",
    // Nothing shall expire, so the window has room for all.
    start: { feed: { maxBytes: 64 * MiB } },
    // Nobody leaves and comes back for a whole replay: it is the server who has to cope.
    silenceMs: 60_000,
    async run({ server, between, direction, follow, tap, witness, play, whole }) {
      const crowd = await Promise.all(
        range(1, 24).map(async () => {
          const own = await tap(server.url);
          const follower = await follow(own.url, own.options).opened();
          own.tap.stall(direction);
          return follower;
        }),
      );
      between.tap.stall(direction);
      const rss = async () => Number((await status(server.url)).rssBytes);
      const before = await rss();
      const played = await play(160, STALLED_BYTES);
      // The others are not held up.
      await witness.reached(played.at(-1)!.id);
      // What is kept is kept once, and not once for each who does not read.
      const grown = (await rss()) - before;
      const unread = (crowd.length + 1) * played.length * STALLED_BYTES;
      const most = unread / 4 + 64 * MiB;

      assert.ok(grown < most, `the server grew by ${grown} bytes, with ${unread} unread`);
      await Promise.all(crowd.map((each) => each.stop()));
      between.tap.resume();
      await whole();
    },
  },
  {
    title: "errors at random",
    async run({ between: { tap }, play, random, quick, whole }) {
      await using front = await openFront(tap.target, random.int(0, 2 ** 31 - 1));
      tap.retarget(front.url);
      for (const _ of range(1, quick ? 4 : 12)) {
        tap.cut();
        await play(random.int(1, 5));
        await whole();
      }
      tap.retarget(front.target);
      tap.cut();
      assert.ok(front.failures > 0, "nobody met an error");
    },
  },
  {
    title: "half-open connection",
    async run({ between, play, quick, whole }) {
      for (const _ of range(1, quick ? 1 : 3)) {
        between.tap.halfOpen();
        await play(5);
        await whole();
      }
    },
  },
  {
    title: "delay and throttle",
    async run({ between, play, quick, whole }) {
      between.tap.delay(40);
      await play(quick ? 5 : 20);
      await whole();
      between.tap.delay(0);
      between.tap.throttle(20_000);
      await play(quick ? 5 : 20);
      await whole();
    },
  },
  {
    title: "kill -9 and restart",
    async run({ between, play, restart, whole }) {
      // What the client has no chance to see dies with the server; the gap must say so.
      between.tap.refuse();
      between.tap.cut();
      await play(5);
      await restart("SIGKILL");
      between.tap.accept();
      await play(5);
      await whole();
    },
  },
  {
    title: "kill -9, data on disk",
    needs: "durable",
    onDisk: true,
    async run({ between, client, witness, play, restart, random, quick, whole }) {
      for (const round of range(1, quick ? 2 : 6)) {
        // Killed while all is still due, or in the midst of delivering.
        if (round % 2) {
          between.tap.refuse();
          between.tap.cut();
        }
        await play(random.int(5, 20));
        await restart("SIGKILL");
        await play(random.int(1, 5));
        between.tap.accept();
        await whole();
      }
      // What was answered with a 201 is delivered: no gap stands for it.
      assert.deepEqual([...client.gaps, ...witness.gaps], [], "gaps");
    },
  },
  {
    title: "SIGTERM and restart",
    async run({ play, restart, whole }) {
      const { code } = await restart("SIGTERM");
      assert.equal(code, 0, "the exit code after SIGTERM");
      await play(5);
      await whole();
    },
  },
  {
    title: "overflow while away",
    start: { feed: { maxEvents: 20 } },
    async run({ between, witness, play, whole }) {
      between.tap.refuse();
      between.tap.cut();
      for (const _ of range(1, 6)) await witness.reached((await play(10)).at(-1)!.id);
      between.tap.accept();
      await whole();
    },
  },
  {
    title: "300 connects and aborts",
    async run(scene) {
      const rounds = scene.quick ? 3 : 15;
      await Promise.all([comeAndGo(scene, scene.server, { rounds, staying: 2 }), scene.play(50)]);
      await scene.whole();
    },
  },
  {
    title: "flood of subscribers",
    needs: "held",
    start: { options: { maxSubscribers: SEATS } },
    async run({ server, client, follow, deadline, play, quick, whole }) {
      const after = client.events.at(-1)!.id;
      const flood = range(1, quick ? 20 : 100).map(() => follow(server.url, { after }));
      const refused = async () =>
        flood.some(({ notes }) => notes.some(({ kind }) => kind === "retry"));
      await eventually(refused, { signal: deadline, what: "a refusal" });
      const played = await play(5);
      assert.ok(Number((await status(server.url)).subscribers) <= SEATS, "more than the seats");
      // Those who stay get a seat when the others have left, and everything with it.
      await Promise.all(flood.slice(2).map((each) => each.stop()));
      for (const each of flood.slice(0, 2)) {
        await each.reached(played.at(-1)!.id);
        sameEvents(each.events, played);
      }
      await whole();
    },
  },
  {
    title: "flood of messages",
    needs: "bidirectional",
    async run({ server, deadline, play, whole }) {
      const socket = new WebSocket(`${server.url.replace(/^http/, "ws")}/events`);
      const closed = Promise.withResolvers<number>();
      socket.onopen = () => range(1, 5_000).forEach(() => socket.send('{"type":"ping"}'));
      socket.onclose = ({ code }) => closed.resolve(code);
      deadline.addEventListener("abort", () => closed.reject(new Error("the flood goes on")));
      await play(5);
      assert.equal(await closed.promise, 1008, "the close code for a flood");
      await whole();
    },
  },
];
