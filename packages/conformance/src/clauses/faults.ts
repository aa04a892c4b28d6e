import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { Clause, Context } from "../clause.ts";
import { sameEvents } from "../follower.ts";
import { eventually, publish, status, type Server } from "../lane.ts";
import { publishAll, range } from "./delivery.ts";

const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

/**
 * Twenty visitors in each round connect and leave, every second one before it is let in. Then the
 * server must have back what it gave: seats, but for those who are `staying`, and descriptors.
 */
export const comeAndGo = async (
  { follow, deadline }: Pick<Context, "follow" | "deadline">,
  { url, pid }: Pick<Server, "url" | "pid">,
  { rounds, staying = 0 }: { rounds: number; staying?: number },
) => {
  const visit = async (times: number) => {
    for (let round = 0; round < times; round++) {
      const visitors = range(1, 20).map(() => follow(url));
      await Promise.all(visitors.map((v, i) => (i % 2 ? v.opened() : v)));
      await Promise.all(visitors.map((v) => v.stop()));
    }
    const gone = async () => Number((await status(url)).subscribers) <= staying;
    const what = `status.subscribers is ${staying} again`;
    await eventually(gone, { signal: deadline, what });
  };
  await visit(1);
  if (pid === undefined) return visit(rounds - 1);
  const before = descriptors(pid);
  await visit(rounds - 1);
  // A few connections of our own may be kept alive; a leak would be hundreds.
  const freed = async () => descriptors(pid) <= before + 20;
  await eventually(freed, { signal: deadline, what: `descriptors are back at ${before}` });
};

export const faultClauses: readonly Clause[] = [
  {
    ids: ["SHUTDOWN-2", "CLIENT-1"],
    title: "comes back from cut connections, between events and in the middle of one",
    needs: "replay",
    async run({ lane, start, follow, tap }) {
      const { url } = await start();
      const between = await tap(url);
      // Events flow to the side that was called: to the client, but for a webhook.
      const direction = lane.technique.pair ? "up" : "down";
      const follower = await follow(between.url, between.options).opened();
      const published = await publishAll(url, "kit.cut", range(1, 5));
      for (const round of range(1, 8)) {
        await follower.reached(published.at(-1)!.id);
        const text = `round ${round}`;
        // Odd: the event's first half arrives and its second half never does. Even: cut at rest.
        const cut =
          round % 2 ? between.tap.cutAfter({ text, bytes: 3, direction }) : between.tap.cut();
        published.push(await publish(url, "kit.cut", `${text} ${"x".repeat(500)}`));
        await cut;
        published.push(...(await publishAll(url, "kit.cut", range(1, 5))));
      }
      await follower.reached(published.at(-1)!.id);
      sameEvents(follower.events, published);
    },
  },
  {
    ids: ["SHUTDOWN-1"],
    title: "ends cleanly on SIGTERM while subscribers are held, with exit code 0",
    intrusive: true,
    async run({ start, follow }) {
      const server = await start();
      const followers = await Promise.all(range(1, 5).map(() => follow(server.url).opened()));
      server.kill("SIGTERM");
      const { code } = await server.exited;
      assert.equal(code, 0);
      // The clients have noticed, and want to come back.
      for (const each of followers)
        await each.until(() => each.notes.some(({ kind }) => kind === "retry"), "a retry");
    },
  },
  {
    ids: ["SHUTDOWN-2", "GAP-1"],
    title: "survives kill -9 and a restart: the client is told of the gap, and goes on",
    needs: "replay",
    intrusive: true,
    async run({ start, follow }) {
      const first = await start();
      const follower = await follow(first.url).opened();
      const before = await publishAll(first.url, "kit.life", range(1, 5));
      await follower.reached(before.at(-1)!.id);
      first.kill("SIGKILL");
      await first.exited;
      const second = await start({ port: Number(new URL(first.url).port) });
      const after = await publishAll(second.url, "kit.life", range(6, 10));
      await follower.reached(after.at(-1)!.id);
      const [gap] = follower.gaps;
      assert.deepEqual(gap?.data, {
        after: before.at(-1)!.id,
        resumesAt: after[0]!.id,
        reason: "epoch",
      });
      sameEvents(follower.events, [...before, gap, ...after]);
    },
  },
  {
    ids: ["STATUS-2", "LIMIT-3", "CLIENT-6"],
    title: "a leaving client frees everything, 300 times",
    intrusive: true,
    async run(context) {
      await comeAndGo(context, await context.start(), { rounds: 15 });
    },
  },
];
