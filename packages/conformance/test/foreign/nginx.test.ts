import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { FeedEvent, Json } from "@tidings/shared";
import { openTap, type Tap } from "@tidings/tap";
import { whyMissing } from "../../../../scripts/setup.ts";
import { techniques } from "../../../../scripts/techniques.ts";
import { Follower, sameEvents } from "../../src/follower.ts";
import { launchedLane } from "../../src/launched.ts";
import { publish, type Lane } from "../../src/lane.ts";
import { nginx, READ_TIMEOUT_S } from "./nginx.ts";

setDefaultTimeout(60_000);

const deadline = () => AbortSignal.timeout(40_000);
const why = whyMissing("nginx");
const lanes = await Promise.all(
  techniques.filter(({ pair }) => pair === undefined).map(launchedLane),
);

/** client → tap → nginx → tap → server, and who tidies up. */
const behindNginx = async (lane: Lane, options: Readonly<Record<string, Json>> = {}) => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await lane.start({ options }));
  const behind = stack.use(await openTap({ target: server.url }));
  const websocket = lane.technique.name === "ws";
  const proxy = stack.use(await nginx({ upstream: behind.url, websocket }));
  const before = stack.use(await openTap({ target: proxy.url }));
  const rest = stack.move();
  return {
    server,
    before,
    behind,
    url: before.url,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
};

/** How often a text has come down to the client. */
const count = (tap: Tap, text: string) =>
  tap.records
    .filter(({ direction }) => direction === "down")
    .reduce((sum, { bytes }) => sum + `${Buffer.from(bytes)}`.split(text).length - 1, 0);

describe.skipIf(why !== undefined)(`behind a stock nginx${why ? `: ${why}` : ""}`, () => {
  test.each(lanes.map((lane) => [lane.technique.name, lane] as const))(
    "PROXY-1: %s: each event comes through, and none waits for the next one",
    async (name, lane) => {
      await using line = await behindNginx(lane, { pollIntervalMs: 20 });
      await using follower = new Follower(lane, line.url, deadline());
      await follower.opened();
      const events: FeedEvent[] = [];
      for (const data of [1, "línea\r\n\n", { large: "x".repeat(60_000) }, null]) {
        events.push(await publish(line.server.url, "greeting", data));
        // Nothing but this event is on its way: a proxy that waited for more would wait for ever.
        await follower.reached(events.at(-1)?.id ?? "");
      }
      sameEvents(follower.events, events);
      await line.behind.seen("up", name === "ws" ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    },
  );

  // What a quiet server says to its client, in each technique that holds a connection.
  const heartbeats: Record<string, string> = {
    "long-poll": '{"events":[],',
    sse: ": \nid: ",
    ws: '{"type":"heartbeat",',
  };
  const held = lanes.filter(({ technique }) => technique.name in heartbeats);
  const everyMs = 200;
  // A long poll's wait is up to a fifth shorter.
  const enough = Math.ceil((2 * READ_TIMEOUT_S * 1_000) / (everyMs * 0.8)) + 1;

  test.concurrent.each(held.map((lane) => [lane.technique.name, lane] as const))(
    "PROXY-1: %s: a quiet connection outlives two of the proxy's time-outs",
    async (name, lane) => {
      await using line = await behindNginx(lane, { heartbeatMs: everyMs, holdMs: everyMs });
      await using follower = new Follower(lane, line.url, deadline());
      await follower.opened();
      await line.before.until(() => count(line.before, heartbeats[name] ?? "") >= enough);
      expect(follower.notes.filter(({ kind }) => kind === "retry")).toEqual([]);
      const event = await publish(line.server.url, "greeting", 1);
      await follower.reached(event.id);
      sameEvents(follower.events, [event]);
    },
  );

  // So it is the heartbeat that keeps the others alive; and what nginx cuts comes back.
  test.concurrent.each(held.map((lane) => [lane.technique.name, lane] as const))(
    "%s: without a heartbeat the proxy cuts it, and the client comes back",
    async (_, lane) => {
      const never = { heartbeatMs: 240_000, holdMs: 240_000 };
      await using line = await behindNginx(lane, never);
      await using follower = new Follower(lane, line.url, deadline());
      await follower.opened();
      await follower.until(() => follower.notes.some(({ kind }) => kind === "retry"), "a cut");
      const event = await publish(line.server.url, "greeting", 1);
      await follower.reached(event.id);
      sameEvents(follower.events, [event]);
    },
  );
});
