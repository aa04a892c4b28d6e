import { type FeedEvent, GAP } from "@tidings/shared";
import type { Note } from "@tidings/shared/client";
import { Feed } from "@tidings/shared/server";
import { server as providerServer } from "@tidings/webhook-provider/server";
import { describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { encodeBody, encodeHeaders } from "../../webhook-provider/src/wire.ts";
import { subscribe, type Options } from "../src/client.ts";
import { Inbox } from "../src/inbox.ts";
import { server as consumerServer } from "../src/server.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(60_000);

const startProvider = ({ port = 0, feed = new Feed() } = {}) => {
  const closing = new AbortController();
  const ends: Promise<unknown>[] = [];
  const app = providerServer({
    feed,
    allowLoopback: true,
    scheduleScale: 0.0001,
    signal: closing.signal,
    waitUntil: (end) => ends.push(end),
  }).listen({ port, hostname: "127.0.0.1", reusePort: false });
  const url = app.server?.url.origin ?? "";
  return {
    url,
    port: app.server?.port ?? 0,
    feed,
    async publish(type: string, data: unknown): Promise<FeedEvent> {
      const response = await fetch(`${url}/events`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ type, data }),
      });
      return (await response.json()) as FeedEvent;
    },
    async endpoints(): Promise<{ id: string; url: string; ordered: boolean; types: string[] }[]> {
      return JSON.parse(await (await fetch(`${url}/endpoints`)).text()).endpoints;
    },
    ask: (method: string, path: string) => fetch(`${url}${path}`, { method }),
    /** Ends it; like a kill, it leaves its endpoints and its feed behind. */
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all(ends);
      await app.server?.stop(true);
    },
  };
};

/** Follows a provider; what arrived can be waited for. */
const follow = (url: string, options: Options = {}) => {
  const leaving = new AbortController();
  const events: FeedEvent[] = [];
  const notes: Note["kind"][] = [];
  const waits = new Set<() => void>();
  const wake = () => waits.forEach((check) => check());
  const run = (async () => {
    for await (const event of subscribe(url, {
      minRetryMs: 1,
      maxRetryMs: 20,
      silenceMs: 60,
      signal: leaving.signal,
      onNote: ({ kind }) => {
        notes.push(kind);
        wake();
      },
      ...options,
    })) {
      events.push(event);
      wake();
    }
  })();
  const until = async (holds: () => boolean) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => holds() && resolve();
    waits.add(check);
    check();
    await Promise.race([promise, run]);
    waits.delete(check);
  };
  return {
    events,
    notes,
    run,
    until,
    opened: () => until(() => notes.includes("open")),
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await run;
    },
  };
};

describe("the pair", () => {
  test("CONSUMER-10: registers, ordered; what is published arrives once and in order; unregisters", async () => {
    await using provider = startProvider();
    {
      await using follower = follow(provider.url, { types: ["a.b"] });
      await follower.opened();
      expect(await provider.endpoints()).toMatchObject([{ ordered: true, types: ["a.b"] }]);
      const published: FeedEvent[] = [];
      for (let n = 0; n < 100; n++) {
        published.push(await provider.publish("a.b", { n }));
        await provider.publish("a.c", n);
      }
      await follower.until(() => follower.events.length >= 100);
      expect(follower.events).toEqual(published);
    }
    expect(await provider.endpoints()).toEqual([]);
  });

  test("leaves nothing behind when the iteration is simply left, although more waits", async () => {
    await using provider = startProvider();
    const event = await provider.publish("a.b", 1);
    await provider.publish("a.b", 2);
    const closed = Promise.withResolvers<void>();
    const close = spyOn(Inbox.prototype, "close").mockImplementation(async function (this: Inbox) {
      close.mockRestore();
      await this.close();
      closed.resolve();
    });
    for await (const arrived of subscribe(provider.url, { after: "0-0" })) {
      expect(arrived).toEqual(event);
      const [endpoint] = await provider.endpoints();
      // Until the other one has been delivered, too.
      const place = async () =>
        JSON.parse(await (await provider.ask("GET", `/endpoints/${endpoint!.id}`)).text()).cursor;
      while ((await place()) === null);
      break;
    }
    expect(await provider.endpoints()).toEqual([]);
    await closed.promise;
  });

  test("replays from a cursor", async () => {
    await using provider = startProvider();
    const published: FeedEvent[] = [];
    for (let n = 0; n < 5; n++) published.push(await provider.publish("a.b", n));
    await using follower = follow(provider.url, { after: published[1]!.id });
    await follower.until(() => follower.events.length >= 3);
    expect(follower.events).toEqual(published.slice(2));
  });

  test("tells of the gap when the cursor is of another life", async () => {
    await using provider = startProvider();
    const event = await provider.publish("a.b", 1);
    await using follower = follow(provider.url, { after: "1-5" });
    await follower.until(() => follower.events.length >= 2);
    expect(follower.events).toMatchObject([
      { type: GAP, data: { after: "1-5", resumesAt: event.id, reason: "epoch" } },
      event,
    ]);
  });

  test("a receiver that cannot be reached for a while gets the same events later, in order", async () => {
    await using provider = startProvider();
    let down = true;
    const ids: (string | null)[] = [];
    let target = "";
    // Stands before the receiver, and fails as it is told.
    using front = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        ids.push(request.headers.get("webhook-id"));
        const body = await request.bytes();
        if (down && ids.length >= 3) down = false;
        else if (!down) return fetch(target, { method: "POST", headers: request.headers, body });
        return new Response(null, { status: 500 });
      },
    });
    const publicUrl = (port: number) => {
      target = `http://127.0.0.1:${port}/webhooks/standard`;
      return front.url.href;
    };
    await using follower = follow(provider.url, { publicUrl });
    await follower.opened();
    const published = [await provider.publish("a.b", 1), await provider.publish("a.b", 2)];
    await follower.until(() => follower.events.length >= 2);
    expect(follower.events).toEqual(published);
    const [one, two] = published.map(({ id }) => id);
    expect(ids).toEqual([one!, one!, one!, one!, two!]);
  });

  test("notices a provider that was born anew, registers again, and is told of the gap", async () => {
    const first = startProvider({ feed: new Feed({ epoch: 1_000 }) });
    await using follower = follow(first.url);
    await follower.opened();
    const before = await first.publish("a.b", 1);
    await follower.until(() => follower.events.length >= 1);
    await first[Symbol.asyncDispose]();
    await follower.until(() => follower.notes.includes("retry"));
    await using second = startProvider({ port: first.port, feed: new Feed({ epoch: 2_000 }) });
    const after = await second.publish("a.b", 2);
    await follower.until(() => follower.events.length >= 3);
    expect(follower.events).toMatchObject([
      before,
      { type: GAP, data: { after: before.id, resumesAt: after.id, reason: "epoch" } },
      after,
    ]);
  });

  test("registers again when its endpoint was deleted, and loses and doubles nothing", async () => {
    await using provider = startProvider();
    await using follower = follow(provider.url);
    await follower.opened();
    const published = [await provider.publish("a.b", 1)];
    await follower.until(() => follower.events.length >= 1);
    const [endpoint] = await provider.endpoints();
    await provider.ask("DELETE", `/endpoints/${endpoint!.id}`);
    published.push(await provider.publish("a.b", 2));
    await follower.until(() => follower.events.length >= 2);
    published.push(await provider.publish("a.b", 3));
    await follower.until(() => follower.events.length >= 3);
    expect(follower.events).toEqual(published);
    expect(await provider.endpoints()).toHaveLength(1);
  });

  test("a ping and a test arrive, and are no events of the feed", async () => {
    await using provider = startProvider();
    await using follower = follow(provider.url);
    await follower.opened();
    const [endpoint] = await provider.endpoints();
    const tested = await provider.ask("POST", `/endpoints/${endpoint!.id}/test`);
    expect(await tested.json()).toMatchObject({ status: 200 });
    const event = await provider.publish("a.b", 1);
    await follower.until(() => follower.events.length >= 1);
    expect(follower.events).toEqual([event]);
  });

  test("a delivery that overtakes the answer with its secret is verified all the same", async () => {
    const event = { id: "1-1", type: "a.b", time: "2026-01-02T03:04:05.678Z", data: 1 };
    const secret = `whsec_${Buffer.alloc(32).toString("base64")}`;
    const deliveries: Promise<Response>[] = [];
    using provider = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        if (request.method !== "POST") return new Response(null, { status: 204 });
        const { url } = JSON.parse(await request.text());
        const body = encodeBody(event);
        const headers = encodeHeaders(event.id, body, [secret]);
        deliveries.push(fetch(url, { method: "POST", headers, body }));
        // After so many answers from there, a receiver that does not wait has given its own.
        for (let i = 0; i < 20; i++) await fetch(new URL("/health", url));
        const answer = { id: "ep_1", secret, cursor: "1-0", disabled: null };
        return Response.json(answer, { status: 201 });
      },
    });
    for await (const arrived of subscribe(provider.url)) {
      expect(arrived).toEqual(event);
      break;
    }
    expect((await Promise.all(deliveries)).map(({ status }) => status)).toEqual([200]);
  });

  test("CONSUMER-12: what nobody takes is bounded; the provider keeps the rest, and all of it arrives", async () => {
    const secret = `whsec_${Buffer.alloc(32).toString("base64")}`;
    const registered = Promise.withResolvers<string>();
    using provider = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        if (request.method === "DELETE") return new Response(null, { status: 204 });
        if (request.method === "POST") registered.resolve(JSON.parse(await request.text()).url);
        const answer = { id: "ep_1", secret, cursor: "1-0", disabled: null };
        return Response.json(answer, { status: request.method === "POST" ? 201 : 200 });
      },
    });
    const iterator = subscribe(provider.url);
    const first = iterator.next();
    const url = await registered.promise;
    const time = "2026-01-02T03:04:05.678Z";
    const deliver = async (offset: number) => {
      const body = encodeBody({ type: "a.b", time, data: offset });
      const headers = encodeHeaders(`1-${offset}`, body, [secret]);
      return (await fetch(url, { method: "POST", headers, body })).status;
    };
    expect(await deliver(1)).toBe(200);
    expect(await first).toMatchObject({ value: { id: "1-1" } });

    const refused: number[] = [];
    for (let offset = 2; offset <= 1_040; offset++) {
      const status = await deliver(offset);
      if (status !== 200) refused.push(offset);
      expect(status).toBeOneOf([200, 503]);
    }
    // A thousand wait; the first one may have left a little later than it was taken.
    expect(refused.length).toBeWithin(39, 41);
    expect(refused.at(-1)).toBe(1_040);
    const seen: unknown[] = [];
    const take = async () => seen.push((await iterator.next()).value?.data);
    while (seen.length < 1_039 - refused.length) await take();
    for (const offset of refused) {
      expect(await deliver(offset)).toBe(200);
      await take();
    }
    expect(seen).toEqual(Array.from({ length: 1_039 }, (_, n) => n + 2));
    await iterator.return();
  });

  test("CLIENT-4: a refusal for good is thrown", async () => {
    await using provider = startProvider();
    for (const options of [
      { after: "-1" },
      { types: ["A"] },
      { publicUrl: () => "http://10.0.0.1/" },
    ])
      await expect(subscribe(provider.url, options).next()).rejects.toMatchObject({
        name: "Refusal",
      });
  });
});

test("the consumer's server registers at its provider while it runs", async () => {
  await using provider = startProvider();
  const closing = new AbortController();
  const ends: Promise<unknown>[] = [];
  const arrived = Promise.withResolvers<FeedEvent>();
  const consumer = consumerServer({
    feed: new Feed(),
    provider: provider.url,
    signal: closing.signal,
    waitUntil: (end) => ends.push(end),
    onEvent: arrived.resolve,
  }).listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  while ((await provider.endpoints()).length === 0);
  const event = await provider.publish("a.b", { x: 1 });
  expect(await arrived.promise).toEqual(event);
  closing.abort();
  await Promise.all(ends);
  expect(await provider.endpoints()).toEqual([]);
  await consumer.server?.stop(true);
});
