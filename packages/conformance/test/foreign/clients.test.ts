import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { FeedEvent, Json } from "@tidings/shared";
import { eventsUrl } from "@tidings/shared/client";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, type LaunchOptions } from "../../../../scripts/launch.ts";
import { whyMissing } from "../../../../scripts/setup.ts";
import { Follower, sameEvents } from "../../src/follower.ts";
import { eventually, publish, status, type Subscribe } from "../../src/lane.ts";
import { curl, curlStream, eventSource, pythonWebsockets, ws } from "./clients.ts";

setDefaultTimeout(60_000);

const deadline = () => AbortSignal.timeout(30_000);
const awkward: readonly Json[] = [
  null,
  "línea\r\n\ndata: x\n\n",
  { nested: [1.5, "𝄞\u2028"] },
  "x".repeat(60_000),
];

/** Publishes what is hard to carry; returns the events. */
const publishAll = async (url: string) => {
  const events: FeedEvent[] = [];
  for (const data of awkward) events.push(await publish(url, "awkward.data", data));
  return events;
};

describe.each<
  [client: string, technique: string, subscribe: Subscribe, missing?: string | undefined]
>([
  ["eventsource", "sse", eventSource],
  ["ws", "ws", ws],
  ["python3-websockets", "ws", pythonWebsockets, whyMissing("python3-websockets")],
  ["curl", "sse", curlStream(), whyMissing("curl")],
  ["curl over HTTP/1.0", "sse", curlStream("--http1.0"), whyMissing("curl")],
])("%s → %s", (_, technique, subscribe, missing) => {
  test.skipIf(missing !== undefined)(
    `is given the past and the present, each event once${missing ? `: ${missing}` : ""}`,
    async () => {
      await using server = await launch(technique);
      const past = await publishAll(server.url);
      const [first] = past;
      await using follower = new Follower({ subscribe }, server.url, deadline(), {
        after: first?.id,
      });
      await follower.opened();
      const present = await publishAll(server.url);
      await follower.reached(present.at(-1)?.id ?? "");
      sameEvents(follower.events, [...past.slice(1), ...present]);
    },
  );

  test.skipIf(missing !== undefined)(
    `leaves nothing behind when it goes${missing ? `: ${missing}` : ""}`,
    async () => {
      await using server = await launch(technique);
      const follower = new Follower({ subscribe }, server.url, deadline());
      await follower.opened();
      expect(await status(server.url)).toMatchObject({ subscribers: 1 });
      await follower.stop();
      await eventually(async () => (await status(server.url)).subscribers === 0, {
        signal: deadline(),
        what: "no subscriber",
      });
    },
  );
});

test("eventsource comes back by itself to a server that was killed, and is told the gap", async () => {
  const options: LaunchOptions = { options: { retryMs: 20 } };
  await using first = await launch("sse", options);
  await using follower = new Follower({ subscribe: eventSource }, first.url, deadline());
  await follower.opened();
  const before = await publish(first.url, "greeting", 1);
  await follower.reached(before.id);

  first.kill("SIGKILL");
  await first.exited;
  await using again = await launch("sse", { ...options, port: Number(new URL(first.url).port) });
  await follower.opened(2);
  const after = await publish(again.url, "greeting", 2);
  await follower.reached(after.id);
  expect(follower.events.map(({ type, data }) => ({ type, data }))).toEqual([
    { type: "greeting", data: 1 },
    { type: "feed.gap", data: { after: before.id, resumesAt: after.id, reason: "epoch" } },
    { type: "greeting", data: 2 },
  ]);
});

test("WS-11: ws is told that the server goes away", async () => {
  await using server = await launch("ws");
  await using follower = new Follower({ subscribe: ws }, server.url, deadline());
  await follower.opened();
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  await expect(follower.until(() => false, "the end")).rejects.toThrow("closed with 1001");
});

const noCurl = whyMissing("curl");
describe.skipIf(noCurl !== undefined)(`curl polls${noCurl ? `: ${noCurl}` : ""}`, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tidings-curl-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("short-poll: with its own ETag book-keeping it is told once, then 304", async () => {
    await using server = await launch("short-poll");
    const url = eventsUrl(server.url, { after: "0-0" });
    const book = join(folder, "etag");
    const ask = () => curl(url, "--etag-save", book, "--etag-compare", book);
    const one = await publish(server.url, "greeting", 1);
    const news = await ask();
    expect(news.status).toBe(200);
    expect(JSON.parse(news.body)).toEqual({ events: [one], cursor: one.id });

    const none = await ask();
    expect(none).toMatchObject({ status: 304, body: "" });
    for (const name of ["etag", "cache-control", "vary"])
      expect(none.headers.get(name)).toBe(news.headers.get(name));

    const two = await publish(server.url, "greeting", 2);
    const more = await ask();
    expect(more.status).toBe(200);
    expect(JSON.parse(more.body)).toEqual({ events: [one, two], cursor: two.id });
  });

  test.each(["--http1.1", "--http1.0"])(
    "long-poll, %s: is held until there is news",
    async (version) => {
      await using server = await launch("long-poll");
      const { cursor } = JSON.parse((await curl(eventsUrl(server.url, {}), version)).body);
      const answer = curl(eventsUrl(server.url, { after: cursor }), version);
      await eventually(async () => (await status(server.url)).subscribers === 1, {
        signal: deadline(),
        what: "held",
      });
      const event = await publish(server.url, "greeting", 1);
      const { status: code, body } = await answer;
      expect(code).toBe(200);
      expect(JSON.parse(body)).toEqual({ events: [event], cursor: event.id });
    },
  );
});
