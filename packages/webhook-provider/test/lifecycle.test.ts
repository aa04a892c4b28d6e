import type { FeedEvent } from "@tidings/shared";
import { Feed } from "@tidings/shared/server";
import { afterEach, describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { forSeeds } from "@tidings/shared/random";
import { subscribe } from "../../webhook-consumer/src/client.ts";
import { server } from "../../webhook-consumer/src/server.ts";
import { startProvider } from "./provider.ts";

// An endpoint's life with the real pair: what the provider sends, the consumer verifies and
// deduplicates. Tests wait for events, not for time; where days must pass, a test says so.
setDefaultTimeout(60_000);

afterEach(() => void jest.useRealTimers());

/** What stands between the two: true passes a delivery on; a status is the answer in its stead. */
type Verdict = true | number | "lost";

/** A consumer behind a door that a test holds. */
const startConsumer = () => {
  const closing = new AbortController();
  const ends: Promise<unknown>[] = [];
  const events: FeedEvent[] = [];
  const asked: string[] = [];
  const waits = new Set<() => void>();
  const tell = () => waits.forEach((check) => check());
  let secrets: readonly string[] = [];
  let door: (id: string) => Verdict = () => true;
  const app = server({
    feed: new Feed(),
    secrets: { standard: async () => secrets },
    onEvent: (event) => {
      events.push(event);
      tell();
    },
    signal: closing.signal,
    waitUntil: (end) => ends.push(end),
  }).listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  const target = new URL("/webhooks/standard", app.server?.url);
  const front = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const id = request.headers.get("webhook-id") ?? "";
      asked.push(id);
      tell();
      const verdict = door(id);
      if (typeof verdict === "number") return new Response(null, { status: verdict });
      const { headers } = request;
      const answer = await fetch(target, { method: "POST", headers, body: await request.bytes() });
      // It arrived, and nobody says so.
      return verdict === "lost" ? new Response(null, { status: 502 }) : answer;
    },
  });
  return {
    url: front.url.href,
    /** What was verified, each once. */
    events,
    /** The ids of all attempts. */
    asked,
    accept(...accepted: readonly string[]) {
      secrets = accepted;
    },
    hold(verdict: (id: string) => Verdict) {
      door = verdict;
    },
    async until(holds: () => boolean) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = () => holds() && resolve();
      waits.add(check);
      check();
      await promise;
      waits.delete(check);
    },
    async [Symbol.asyncDispose]() {
      await front.stop(true);
      closing.abort();
      await Promise.all(ends);
      await app.server?.stop(true);
    },
  };
};

const idsOf = (events: readonly FeedEvent[]) => events.map(({ id }) => id);

test("PROVIDER-6, CONSUMER-3: a rotation, from the old secret to the new one without a loss", async () => {
  jest.useFakeTimers();
  await using consumer = startConsumer();
  await using provider = startProvider({ scheduleScale: 1 });
  const { id, secret: old } = await provider.register({ url: consumer.url });
  const publish = async () => {
    const event = await provider.publish("a.b", 1);
    const [delivery] = await provider.deliveries(
      id,
      ([one]) => one?.id === event && one.attempts.length > 0,
    );
    return { event, ...delivery! };
  };
  consumer.accept(old);
  expect(await publish()).toMatchObject({ attempts: [{ status: 200 }] });

  const { secret, formerSecretSignsUntil } = (await provider.ask("POST", `/endpoints/${id}/rotate`))
    .json;
  expect(secret).not.toBe(old);
  expect(Date.parse(formerSecretSignsUntil) - Date.now()).toBe(86_400_000);
  // Both sign, so the consumer may change over whenever it likes.
  for (const accepted of [[old], [secret], [old, secret], [secret, old]]) {
    consumer.accept(...accepted);
    expect(await publish()).toMatchObject({ attempts: [{ status: 200 }] });
  }

  jest.advanceTimersByTime(86_400_000);
  consumer.accept(old);
  const { event, state, dueAt, attempts } = await publish();
  expect({ state, attempts }).toMatchObject({ state: "waiting", attempts: [{ status: 401 }] });
  // Who comes late loses nothing, either.
  consumer.accept(secret);
  jest.advanceTimersByTime(dueAt! - Date.now());
  await consumer.until(() => consumer.events.length === 6);
  expect(consumer.events[5]!.id).toBe(event);
});

test("PROVIDER-6: of two rotations in a row the first secret is the one that goes", async () => {
  await using consumer = startConsumer();
  await using provider = startProvider({ scheduleScale: 1 });
  const { id, secret: first } = await provider.register({ url: consumer.url });
  const rotate = async () => (await provider.ask("POST", `/endpoints/${id}/rotate`)).json.secret;
  const [second, third] = [await rotate(), await rotate()];
  for (const [secret, status] of [
    [first, 401],
    [second, 200],
    [third, 200],
  ]) {
    consumer.accept(secret);
    const { json } = await provider.ask("POST", `/endpoints/${id}/test`);
    expect(json.status).toBe(status);
  }
});

describe("PROVIDER-6, PROVIDER-12: an endpoint that is disabled", () => {
  test("by request is sent nothing, and goes on with what waited; a replay brings the rest", async () => {
    jest.useFakeTimers();
    await using consumer = startConsumer();
    await using provider = startProvider({ scheduleScale: 1 });
    const { id, secret } = await provider.register({ url: consumer.url });
    consumer.accept(secret);
    consumer.hold(() => 503);
    const waited = await provider.publish("a.b", 1);
    await provider.deliveries(id, ([one]) => one?.attempts.length === 1);
    const disabled = await provider.ask("POST", `/endpoints/${id}/disable`);
    expect(disabled.json).toMatchObject({ disabled: "request" });
    const missed = await provider.publish("a.b", 2);
    consumer.hold(() => true);
    jest.advanceTimersByTime(86_400_000);
    await provider.ask("GET", "/endpoints");
    expect(consumer.asked).toEqual([waited]);

    const enabled = await provider.ask("POST", `/endpoints/${id}/enable`);
    expect(enabled.json).toMatchObject({ disabled: null });
    await consumer.until(() => consumer.events.length === 1);
    await provider.ask("POST", `/endpoints/${id}/replay`, { after: waited });
    await consumer.until(() => consumer.events.length === 2);
    expect(idsOf(consumer.events)).toEqual([waited, missed]);
    expect(consumer.asked).toEqual([waited, waited, missed]);
  });

  test("by a 410, or by failures, is told so, and comes back in the same way", async () => {
    for (const [status, reason] of [
      [410, "gone"],
      [500, "failing"],
    ] as const) {
      await using consumer = startConsumer();
      await using witness = startConsumer();
      await using provider = startProvider({ scheduleScale: 1e-6 });
      const { id, secret } = await provider.register({ url: consumer.url, types: ["a.b"] });
      const other = await provider.register({ url: witness.url, types: ["endpoint.disabled"] });
      consumer.accept(secret);
      witness.accept(other.secret);
      consumer.hold(() => status);
      const dead = await provider.publish("a.b", 1);
      await witness.until(() => witness.events.length === 1);
      expect(witness.events[0]!.data).toEqual({ endpoint: id, reason });
      const { json } = await provider.ask("GET", `/endpoints/${id}`);
      expect(json.disabled).toBe(reason);
      const attempts = consumer.asked.length;
      expect(attempts).toBe(status === 410 ? 1 : 10);

      consumer.hold(() => true);
      const unsent = await provider.publish("a.b", 2);
      await provider.ask("POST", `/endpoints/${id}/enable`);
      const next = await provider.publish("a.b", 3);
      await consumer.until(() => consumer.events.length === 1);
      // The dead letter stays one until it is asked for, and so does what came meanwhile.
      expect(idsOf(consumer.events)).toEqual([next]);
      await provider.ask("POST", `/endpoints/${id}/replay`, { id: dead });
      await consumer.until(() => consumer.events.length === 2);
      await provider.ask("POST", `/endpoints/${id}/replay`, { after: dead });
      await consumer.until(() => consumer.events.length === 3);
      expect(new Set(idsOf(consumer.events))).toEqual(new Set([dead, unsent, next]));
    }
  });
});

test("PROVIDER-7, PROVIDER-12, CONSUMER-7: dead letters are listed, and replayed by id and by place", async () => {
  await using consumer = startConsumer();
  await using provider = startProvider({ scheduleScale: 1e-6 });
  const { id, secret } = await provider.register({ url: consumer.url, types: ["a.b"] });
  consumer.accept(secret);
  const events: string[] = [];
  // Two arrive, three do not.
  const bad = new Set<string>();
  consumer.hold((event) => (bad.has(event) ? 500 : true));
  for (let n = 0; n < 5; n++) {
    if (n === 1 || n > 2) bad.add(`${provider.feed.epoch}-${n + 1}`);
    events.push(await provider.publish("a.b", n));
  }
  const replays: Promise<unknown>[] = [];
  const settled = await provider.deliveries(id, (all) => {
    if (all.filter(({ state }) => state === "dead").length === bad.size) return true;
    // What is accepted meanwhile keeps the endpoint from being disabled.
    replays.push(provider.ask("POST", `/endpoints/${id}/replay`, { id: events[0] }));
    return false;
  });
  await Promise.all(replays);
  const dead = settled.filter(({ state }) => state === "dead");
  expect(new Set(dead.map((one) => one.id))).toEqual(bad);
  for (const { attempts } of dead)
    expect(attempts.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 500));
  expect((await provider.ask("GET", `/endpoints/${id}`)).json.disabled).toBeNull();

  bad.clear();
  await provider.ask("POST", `/endpoints/${id}/replay`, { id: events[1] });
  await consumer.until(() => consumer.events.length === 3);
  expect(consumer.events[2]!.id).toBe(events[1]!);
  await provider.deliveries(id, (all) => !all.some(({ state }) => state === "waiting"));
  const asked = consumer.asked.length;
  await provider.ask("POST", `/endpoints/${id}/replay`, { after: events[1] });
  await provider.deliveries(id, (all) => all.every(({ state }) => state === "delivered"));
  // The third comes again, and is known there: a duplicate is a 2xx and no second event.
  expect(new Set(consumer.asked.slice(asked))).toEqual(new Set(events.slice(2)));
  expect(idsOf(consumer.events).toSorted()).toEqual(events.toSorted());
  const missing = await provider.ask("POST", `/endpoints/${id}/replay`, { id: "1-1" });
  expect(missing.status).toBe(404);
});

describe("under failures at random", () => {
  const EVENTS = 60;
  const scheduleScale = 1e-6;

  /** Refuses, loses the answer or passes; never more than five times in a row. */
  const fate = (random: { next: () => number }) => {
    const refused = new Map<string, number>();
    return (id: string): Verdict => {
      const count = (refused.get(id) ?? 0) + 1;
      refused.set(id, count);
      const drawn = random.next();
      if (count > 5 || drawn > 0.5) return true;
      return drawn < 0.1 ? "lost" : drawn < 0.3 ? 500 : 503;
    };
  };

  test("PROVIDER-15, CONSUMER-10: an ordered endpoint gets each event once and in order", async () => {
    await forSeeds(3, async (random) => {
      const verdict = fate(random);
      await using provider = startProvider({ scheduleScale });
      let target = "";
      await using front = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        async fetch(request) {
          const fell = verdict(request.headers.get("webhook-id") ?? "");
          if (typeof fell === "number") return new Response(null, { status: fell });
          const { headers } = request;
          const body = await request.bytes();
          const answer = await fetch(target, { method: "POST", headers, body });
          return fell === "lost" ? new Response(null, { status: 502 }) : answer;
        },
      });
      const leaving = new AbortController();
      const publicUrl = (port: number) => {
        target = `http://127.0.0.1:${port}/webhooks/standard`;
        return front.url.href;
      };
      const published: string[] = [];
      const publish = async () => {
        for (let n = 0; n < EVENTS; n++) published.push(await provider.publish("a.b", n));
      };
      const arrived: FeedEvent[] = [];
      let publishing: Promise<void> | undefined;
      for await (const event of subscribe(provider.url, {
        publicUrl,
        signal: leaving.signal,
        onNote: ({ kind }) => {
          if (kind === "open") publishing ??= publish();
        },
      })) {
        arrived.push(event);
        if (arrived.length === EVENTS) leaving.abort();
      }
      await publishing;
      expect(idsOf(arrived)).toEqual(published);
      expect(arrived.map(({ data }) => data)).toEqual(published.map((_, n) => n));
    });
  });

  test("PROVIDER-15, CONSUMER-7: an unordered one gets each once, in whatever order", async () => {
    await forSeeds(3, async (random) => {
      await using consumer = startConsumer();
      consumer.hold(fate(random));
      await using provider = startProvider({ scheduleScale });
      const { id, secret } = await provider.register({ url: consumer.url });
      consumer.accept(secret);
      const published = await Promise.all(
        Array.from({ length: EVENTS }, (_, n) => provider.publish("a.b", n)),
      );
      await provider.deliveries(id, (all) => all.every(({ state }) => state === "delivered"));
      await consumer.until(() => consumer.events.length >= EVENTS);
      expect(idsOf(consumer.events).toSorted()).toEqual(published.toSorted());
      expect(consumer.asked.length).toBeGreaterThan(EVENTS);
    });
  });

  test("PROVIDER-15: an unordered one does not wait behind an event that fails", async () => {
    await using consumer = startConsumer();
    await using provider = startProvider({ scheduleScale: 1 });
    const { id, secret } = await provider.register({ url: consumer.url });
    consumer.accept(secret);
    consumer.hold(() => 500);
    const stuck = await provider.publish("a.b", 0);
    await provider.deliveries(id, ([one]) => one?.attempts.length === 1);
    consumer.hold((event) => (event === stuck ? 500 : true));
    const next = await provider.publish("a.b", 1);
    await consumer.until(() => consumer.events.length === 1);
    expect(idsOf(consumer.events)).toEqual([next]);
  });
});
