import type { FeedEvent } from "@tidings/shared";
import { Feed } from "@tidings/shared/server";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "../../../scripts/launch.ts";
import { subscribe } from "../src/client.ts";
import { server } from "../src/server.ts";
import { sign } from "../src/wire.ts";
import { startProvider } from "./provider.ts";
import { Receiver, type Received } from "./receiver.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(60_000);

const signed = ({ headers, id, body }: Received, secret: string) =>
  headers
    .get("webhook-signature")
    ?.split(" ")
    .includes(sign(secret, id, Number(headers.get("webhook-timestamp")), body));

describe("a delivery", () => {
  test("PROVIDER-1, PROVIDER-2: is a signed POST of the event", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider();
    const { secret } = await provider.register({ url: `${receiver.url}hook` });
    const { json: event } = await provider.ask("POST", "/events", {
      type: "a.b",
      data: { x: "é" },
    });
    const [received] = (await receiver.reached(1)).received;
    expect(received).toMatchObject({
      path: "/hook",
      id: event.id,
      body: JSON.stringify({ type: "a.b", timestamp: event.time, data: { x: "é" } }),
    });
    expect(received?.headers.get("content-type")).toBe("application/json");
    expect(signed(received!, secret)).toBe(true);
  });

  test("PROVIDER-9: that fails is repeated with the same id, until a 2xx", async () => {
    const answers = [500, 302, 404, 204];
    await using receiver = new Receiver(
      (_, nth) => new Response(null, { status: answers[nth - 1] ?? 200 }),
    );
    // The second pause is 300 s, the third 1,800 s: with this scale 0.3 ms and 1.8 ms.
    await using provider = startProvider({ scheduleScale: 1e-6 });
    const { id } = await provider.register({ url: receiver.url });
    const event = await provider.publish("a.b", 1);
    const [delivery] = await provider.deliveries(id, ([one]) => one?.state === "delivered");
    expect(delivery?.attempts.map(({ status }) => status)).toEqual(answers);
    expect(receiver.ids).toEqual([event, event, event, event]);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
  });

  test("PROVIDER-10: keeps the answer with the attempt", async () => {
    await using receiver = new Receiver(() => new Response("no room", { status: 507 }));
    await using provider = startProvider({ scheduleScale: 1 });
    const { id } = await provider.register({ url: receiver.url });
    await provider.publish("a.b", 1);
    const [delivery] = await provider.deliveries(id, ([one]) => one?.attempts.length === 1);
    expect(delivery).toMatchObject({
      type: "a.b",
      state: "waiting",
      attempts: [{ status: 507, error: null, answer: "no room" }],
    });
  });

  test("is narrowed by types, which can be changed", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider();
    const { id } = await provider.register({ url: receiver.url, types: ["a.b"] });
    await provider.publish("a.c", 1);
    const first = await provider.publish("a.b", 2);
    await receiver.reached(1);
    await provider.ask("PATCH", `/endpoints/${id}`, { types: null });
    const second = await provider.publish("a.c", 3);
    await receiver.reached(2);
    expect(receiver.ids).toEqual([first, second]);
  });
});

describe("endpoints", () => {
  test("PROVIDER-6: the secret is shown once, and each endpoint has its own", async () => {
    await using provider = startProvider();
    const url = "http://127.0.0.1:9/";
    const one = await provider.register({ url });
    const two = await provider.register({ url });
    expect(one.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(one.secret).not.toBe(two.secret);
    for (const path of ["/endpoints", `/endpoints/${one.id}`, `/endpoints/${one.id}/deliveries`])
      expect((await provider.ask("GET", path)).text).not.toMatch(/whsec_|secret/);
    const { json } = await provider.ask("GET", "/endpoints");
    expect(json.endpoints.map(({ id }: { id: string }) => id)).toEqual([one.id, two.id]);
  });

  test("PROVIDER-6: after a rotation both secrets sign, and after the overlap one", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider({ rotationMs: 60_000 });
    const { id, secret: former } = await provider.register({ url: receiver.url });
    const { secret } = (await provider.ask("POST", `/endpoints/${id}/rotate`)).json;
    await provider.publish("a.b", 1);
    const [both] = (await receiver.reached(1)).received;
    expect([signed(both!, former), signed(both!, secret)]).toEqual([true, true]);

    await using strict = startProvider({ rotationMs: 0 });
    const other = await strict.register({ url: receiver.url });
    const rotated = (await strict.ask("POST", `/endpoints/${other.id}/rotate`)).json;
    await strict.publish("a.b", 1);
    const [, only] = (await receiver.reached(2)).received;
    expect([signed(only!, other.secret), signed(only!, rotated.secret)]).toEqual([false, true]);
  });

  test("a disabled one is sent nothing; enabled again it goes on with what waits", async () => {
    await using receiver = new Receiver(
      (_, nth) => new Response(null, { status: nth > 1 ? 200 : 500 }),
    );
    await using provider = startProvider({ scheduleScale: 0.01 });
    const { id } = await provider.register({ url: receiver.url });
    const event = await provider.publish("a.b", 1);
    await receiver.reached(1);
    expect((await provider.ask("POST", `/endpoints/${id}/disable`)).json.disabled).toBe("request");
    await provider.publish("a.b", 2);
    expect((await provider.ask("POST", `/endpoints/${id}/enable`)).json.disabled).toBeNull();
    await provider.deliveries(id, ([one]) => one?.state === "delivered");
    expect(receiver.ids).toEqual([event, event]);
  });

  test("PROVIDER-7: replays everything after a cursor, and sends a test at once", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider({ concurrency: 1 });
    const { id } = await provider.register({ url: receiver.url });
    const events: string[] = [];
    for (let n = 0; n < 3; n++) events.push(await provider.publish("a.b", n));
    await receiver.reached(3);
    await provider.deliveries(id, (all) => all.every(({ state }) => state === "delivered"));
    await provider.ask("POST", `/endpoints/${id}/replay`, { after: events[0] });
    await receiver.reached(5);
    expect(receiver.ids).toEqual([...events, ...events.slice(1)]);
    const { json } = await provider.ask("POST", `/endpoints/${id}/test`);
    expect(json).toMatchObject({ status: 200, answer: "thanks", error: null });
    expect(JSON.parse(receiver.received[5]!.body)).toMatchObject({ type: "test" });
  });

  test("a registration with a cursor begins with what the window holds, gap included", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider();
    const event = await provider.publish("a.b", 1);
    const { epoch } = provider.feed;
    await provider.register({ url: receiver.url, after: "1-1", ordered: true });
    await receiver.reached(2);
    expect(receiver.ids).toEqual([`${epoch}-0`, event]);
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
      type: "feed.gap",
      data: { after: "1-1", resumesAt: event, reason: "epoch" },
    });
  });

  test("PROVIDER-15: an ordered one waits behind a failing event", async () => {
    await using receiver = new Receiver(
      (_, nth) => new Response(null, { status: nth < 4 ? 503 : 200 }),
    );
    await using provider = startProvider({ scheduleScale: 1e-4 });
    await provider.register({ url: receiver.url, ordered: true });
    const [one, two] = [await provider.publish("a.b", 1), await provider.publish("a.b", 2)];
    await receiver.reached(5);
    expect(receiver.ids).toEqual([one, one, one, one, two]);
  });

  for (const status of [429, 502, 504])
    test(`PROVIDER-9: ${status} brings it down to one attempt at a time, until a 2xx`, async () => {
      const release = Promise.withResolvers<void>();
      await using receiver = new Receiver(async (_, nth) => {
        if (nth === 1) return new Response(null, { status });
        await release.promise;
        return new Response();
      });
      await using provider = startProvider({ scheduleScale: 1, concurrency: 4 });
      const { id } = await provider.register({ url: receiver.url });
      await provider.publish("a.b", 1);
      await provider.deliveries(id, ([one]) => one?.attempts.length === 1);
      for (let n = 2; n <= 6; n++) await provider.publish("a.b", n);
      await receiver.reached(2);
      for (let i = 0; i < 10; i++) await provider.ask("GET", "/endpoints");
      expect(receiver.received).toHaveLength(2);
      release.resolve();
      await receiver.reached(6);
    });

  for (const [method, path, body, status, detail] of [
    ["POST", "/endpoints", { url: "http://10.0.0.1/" }, 422, "url: must lead to a public address"],
    ["POST", "/endpoints", { url: 1 }, 422, "url: must be a string."],
    ["POST", "/endpoints", {}, 422, "url: must be a string."],
    ["POST", "/endpoints", [], 422, "body: must be an object"],
    ["POST", "/endpoints", { url: "http://127.0.0.1/", color: 1 }, 422, "body: must be an object"],
    ["POST", "/endpoints", { url: "http://127.0.0.1/", types: [] }, 400, "types: must be"],
    ["POST", "/endpoints", { url: "http://127.0.0.1/", types: ["A"] }, 400, "types: must be"],
    ["POST", "/endpoints", { url: "http://127.0.0.1/", after: "-1" }, 400, "cursor: must be"],
    ["POST", "/endpoints", { url: "http://127.0.0.1/", after: 1 }, 422, "after: must be a string."],
    ["POST", "/endpoints", { url: "http://127.0.0.1/", ordered: 1 }, 422, "ordered: must be"],
    ["GET", "/endpoints/ep_none", undefined, 404, "id: there is no such endpoint."],
    ["PATCH", "/endpoints/ep_none", {}, 404, "id: there is no such endpoint."],
    ["DELETE", "/endpoints/ep_none", undefined, 404, "id: there is no such endpoint."],
    ["POST", "/endpoints/ep_none/rotate", undefined, 404, "id: there is no such endpoint."],
    ["POST", "/endpoints/ep_none/test", undefined, 404, "id: there is no such endpoint."],
    ["POST", "/endpoints/ep_none/replay", { after: "0-0" }, 404, "id: there is no such endpoint."],
    ["POST", "/endpoints/ep_none/replay", { id: "1-1" }, 404, "id: there is no such endpoint"],
    ["POST", "/endpoints/ep_none/replay", {}, 422, "body: needs either id or after."],
    ["PUT", "/endpoints/ep_none", undefined, 405, "method: this path takes DELETE, GET"],
    ["GET", "/events", undefined, 405, "method: events are not fetched here; register"],
    ["GET", "/payment/success", undefined, 405, "method: this path takes DELETE, POST."],
    ["POST", "/Payment/success", { url: "http://127.0.0.1/" }, 404, "path: there is nothing here"],
    ["DELETE", "/payment/success", { url: "http://127.0.0.1/" }, 404, "url: is not subscribed"],
  ] as const)
    test(`${method} ${path} ${JSON.stringify(body)}: ${status}`, async () => {
      await using provider = startProvider();
      const answer = await provider.ask(method, path, body);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(answer.json).toMatchObject({ status });
      expect(answer.json.detail).toStartWith(detail);
    });
});

test("PROVIDER-8: the plain form of the textbook", async () => {
  await using receiver = new Receiver();
  await using provider = startProvider();
  const { url } = receiver;
  const { status, json } = await provider.ask("POST", "/payment/refunded", { url });
  expect(status).toBe(201);
  expect(json).toMatchObject({ url, types: ["payment.refunded"] });
  await provider.publish("payment.success", 1);
  const refund = await provider.publish("payment.refunded", 2);
  await receiver.reached(1);
  expect(receiver.ids).toEqual([refund]);
  expect(signed(receiver.received[0]!, json.secret)).toBe(true);

  expect((await provider.ask("GET", "/ping")).json).toEqual({ called: 1 });
  await receiver.reached(2);
  expect(JSON.parse(receiver.received[1]!.body)).toMatchObject({ type: "ping" });

  expect((await provider.ask("DELETE", "/payment/refunded", { url })).status).toBe(204);
  expect((await provider.ask("GET", "/endpoints")).json).toEqual({ endpoints: [] });
});

test("the client registers an endpoint, and its signal deletes it", async () => {
  await using receiver = new Receiver();
  await using provider = startProvider();
  const leaving = new AbortController();
  const options = { endpoint: receiver.url, types: ["a.b"], signal: leaving.signal };
  const { id, secret } = await subscribe(provider.url, options);
  await provider.publish("a.b", 1);
  const [received] = (await receiver.reached(1)).received;
  expect(signed(received!, secret)).toBe(true);
  leaving.abort();
  while ((await provider.ask("GET", `/endpoints/${id}`)).status !== 404);

  const again = await subscribe(provider.url, { endpoint: receiver.url });
  await again.unsubscribe();
  expect((await provider.ask("GET", "/endpoints")).json).toEqual({ endpoints: [] });
  await expect(subscribe(provider.url, { endpoint: "http://10.0.0.1/" })).rejects.toMatchObject({
    name: "Refusal",
    status: 422,
  });
});

describe("PROVIDER-13: with a file", () => {
  const folder = () => {
    const path = mkdtempSync(join(tmpdir(), "provider-"));
    return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
  };

  test("SIGTERM lets an attempt that runs end: it is not repeated in the next life", async () => {
    using place = folder();
    const answer = Promise.withResolvers<Response>();
    await using receiver = new Receiver((_, nth) => (nth === 1 ? answer.promise : new Response()));
    const options = { database: join(place.path, "outbox.sqlite") };
    const first = await launch("webhook-provider", { options });
    const post = (url: string, body: unknown) =>
      fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    await post(`${first.url}/endpoints`, { url: receiver.url });
    await post(`${first.url}/events`, { type: "a.b", data: 1 });
    await receiver.reached(1);
    first.kill("SIGTERM");
    answer.resolve(new Response());
    expect((await first.exited).code).toBe(0);

    await using second = await launch("webhook-provider", { options });
    const next = await (await post(`${second.url}/events`, { type: "a.b", data: 2 })).json();
    await receiver.reached(2);
    expect(receiver.ids[1]).toBe((next as FeedEvent).id);
  });
});

test.each([
  [{ concurrency: 0 }, "concurrency"],
  [{ scheduleScale: -1 }, "scheduleScale"],
  [{ timeoutMs: NaN }, "timeoutMs"],
])("LIMIT-2: %p is refused by its name", (options, name) => {
  expect(() => server({ feed: new Feed(), ...options })).toThrow(name);
});
