import { afterEach, beforeEach, describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { SCHEDULE } from "../src/schedule.ts";
import { startProvider } from "./provider.ts";
import { rawServer } from "./raw.ts";
import { Receiver } from "./receiver.ts";

// Tests wait for events, not for time: three days pass as soon as a test says so.
setDefaultTimeout(60_000);

const HOUR = 3_600_000;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const start = (options: Parameters<typeof startProvider>[0] = {}) =>
  startProvider({ scheduleScale: 1, ...options });
type Provider = ReturnType<typeof start>;

/** The newest delivery, when so many attempts of it have ended. */
const attempted = async (provider: Provider, id: string, count: number) => {
  const [delivery] = await provider.deliveries(id, ([one]) => one?.attempts.length === count);
  return delivery!;
};

/** Lets time pass until the next attempt is due, and not a millisecond more. */
const pass = async (provider: Provider, dueAt = Date.now()) => {
  const pause = dueAt - Date.now();
  if (pause > 1) jest.advanceTimersByTime(pause - 1);
  // Whatever was set off by then has had its turn when this is answered.
  await provider.ask("GET", "/endpoints");
  return () => jest.advanceTimersByTime(Math.min(pause, 1));
};

describe("PROVIDER-11, PROVIDER-12: three days of failures", () => {
  test("are ten attempts by the schedule, then a dead letter that can be replayed", async () => {
    let up = false;
    await using receiver = new Receiver(() => new Response(null, { status: up ? 200 : 500 }));
    await using witness = new Receiver();
    await using provider = start();
    const { id } = await provider.register({ url: receiver.url, types: ["a.b"] });
    await provider.register({ url: witness.url, types: ["endpoint.disabled"] });
    const born = Date.now();
    const event = await provider.publish("a.b", 1);
    for (let count = 1; count < SCHEDULE.length; count++) {
      const { dueAt, state } = await attempted(provider, id, count);
      expect(state).toBe("waiting");
      const pause = dueAt! - Date.now();
      expect(pause).toBeGreaterThanOrEqual(Math.floor(SCHEDULE[count]! * 0.8));
      expect(pause).toBeLessThanOrEqual(Math.ceil(SCHEDULE[count]! * 1.2));
      const go = await pass(provider, dueAt);
      expect(receiver.received).toHaveLength(count);
      go();
    }
    const dead = await attempted(provider, id, SCHEDULE.length);
    expect(dead).toMatchObject({ id: event, state: "dead" });
    expect(dead.attempts.map(({ status }) => status)).toEqual(SCHEDULE.map(() => 500));
    expect(Date.now() - born).toBeGreaterThan(75 * HOUR * 0.8);
    expect(receiver.ids).toEqual(SCHEDULE.map(() => event));

    // Nothing else was accepted in all the time: the endpoint is disabled, and the feed says so.
    const [told] = (await witness.reached(1)).received;
    expect(JSON.parse(told!.body)).toMatchObject({
      type: "endpoint.disabled",
      data: { endpoint: id, reason: "failing" },
    });
    expect((await provider.ask("GET", `/endpoints/${id}`)).json.disabled).toBe("failing");

    // A week later the letter is still there. Replayed, it has a schedule of its own again.
    jest.advanceTimersByTime(7 * 24 * HOUR);
    await provider.ask("GET", "/endpoints");
    expect(receiver.received).toHaveLength(SCHEDULE.length);
    await provider.ask("POST", `/endpoints/${id}/enable`);
    expect((await provider.ask("POST", `/endpoints/${id}/replay`, { id: event })).status).toBe(204);
    const { dueAt, state } = await attempted(provider, id, SCHEDULE.length + 1);
    expect(state).toBe("waiting");
    expect(dueAt! - Date.now()).toBeLessThanOrEqual(SCHEDULE[1]! * 1.2);
    up = true;
    (await pass(provider, dueAt))();
    expect((await attempted(provider, id, SCHEDULE.length + 2)).state).toBe("delivered");
    expect(receiver.received).toHaveLength(SCHEDULE.length + 2);
  });

  test("of one event disable nobody who takes others meanwhile", async () => {
    await using receiver = new Receiver(
      ({ body }) => new Response(null, { status: body.includes('"data":"bad"') ? 500 : 200 }),
    );
    await using provider = start();
    const { id } = await provider.register({ url: receiver.url });
    const bad = await provider.publish("a.b", "bad");
    const its = async (count: number) => {
      const list = await provider.deliveries(id, (all) =>
        all.some((one) => one.id === bad && one.attempts.length === count),
      );
      return list.find((one) => one.id === bad)!;
    };
    for (let count = 1; count < SCHEDULE.length; count++) {
      const { dueAt } = await its(count);
      if (count === 5) {
        const good = await provider.publish("a.b", "good");
        await provider.deliveries(id, ([one]) => one?.id === good && one.state === "delivered");
      }
      (await pass(provider, dueAt))();
    }
    expect((await its(SCHEDULE.length)).state).toBe("dead");
    expect((await provider.ask("GET", `/endpoints/${id}`)).json.disabled).toBeNull();
  });

  test("do not come back together", async () => {
    await using receiver = new Receiver(() => new Response(null, { status: 500 }));
    await using provider = start();
    const { id } = await provider.register({ url: receiver.url });
    for (let n = 0; n < 50; n++) await provider.publish("a.b", n);
    const list = await provider.deliveries(id, (all) =>
      all.every(({ attempts }) => attempts.length === 1),
    );
    const pauses = list.map(({ dueAt }) => dueAt! - Date.now());
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(SCHEDULE[1]! * 0.8);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(SCHEDULE[1]! * 1.2);
    expect(new Set(pauses).size).toBeGreaterThan(25);
  });
});

describe("PROVIDER-11: Retry-After", () => {
  // The planned pause is 4 to 6 s; the receiver may ask for up to twice of that.
  const planned = [4_000, 6_000] as const;
  const twice = [8_000, 12_000] as const;
  const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toUTCString();

  for (const [value, [min, max]] of [
    ["7", [7_000, 7_000]],
    ["0", planned],
    ["1", planned],
    ["12", twice],
    ["86400", twice],
    ["9".repeat(20), twice],
    ["9".repeat(400), twice],
    [() => inSeconds(8), [7_000, 8_000]],
    [() => inSeconds(1), planned],
    [() => inSeconds(-60), planned],
    [() => inSeconds(86_400), twice],
    ["Fri, 31 Dec 9999 23:59:59 GMT", twice],
    ["Sun, 06 Nov 1994 08:49:37 GMT", planned],
    ["Sunday, 06-Nov-94 08:49:37 GMT", planned],
    ["Sun Nov  6 08:49:37 1994", planned],
    ["soon", planned],
    ["", planned],
    ["-7", planned],
    ["+7", planned],
    ["7.5", planned],
    ["7e3", planned],
    ["0x7000", planned],
    ["7 s", planned],
    ["7, 8", planned],
    ["NaN", planned],
    ["Infinity", planned],
  ] as const)
    test(`${typeof value === "string" ? value.slice(0, 30) : value} waits ${min} to ${max} ms`, async () => {
      await using receiver = new Receiver(() => {
        const asked = typeof value === "string" ? value : value();
        return new Response(null, { status: 503, headers: { "retry-after": asked } });
      });
      await using provider = start();
      const { id } = await provider.register({ url: receiver.url });
      await provider.publish("a.b", 1);
      const { dueAt } = await attempted(provider, id, 1);
      const pause = dueAt! - Date.now();
      expect(pause).toBeGreaterThanOrEqual(min);
      expect(pause).toBeLessThanOrEqual(max);
    });

  test("counts anew for each attempt, and is obeyed", async () => {
    const asks = ["7", "500", "1"];
    await using receiver = new Receiver(
      (_, nth) =>
        new Response(null, { status: 429, headers: { "retry-after": asks[nth - 1] ?? "0" } }),
    );
    await using provider = start();
    const { id } = await provider.register({ url: receiver.url });
    await provider.publish("a.b", 1);
    const pauses: number[] = [];
    for (let count = 1; count <= asks.length; count++) {
      const { dueAt } = await attempted(provider, id, count);
      pauses.push(dueAt! - Date.now());
      const go = await pass(provider, dueAt);
      expect(receiver.received).toHaveLength(count);
      go();
    }
    // 300 s ± 20 %, twice of it at the most; and 1,800 s, of which nothing is taken away.
    expect(pauses.slice(0, 2)).toEqual([7_000, expect.any(Number)]);
    expect(pauses[1]).toBeGreaterThanOrEqual(480_000);
    expect(pauses[1]).toBeLessThanOrEqual(500_000);
    expect(pauses[2]).toBeGreaterThanOrEqual(1_440_000);
    await attempted(provider, id, 4);
  });
});

describe("PROVIDER-9: a 2xx is success and nothing else is:", () => {
  for (const [state, statuses] of [
    ["delivered", [200, 201, 202, 203, 204, 205, 206, 207, 226, 299]],
    ["waiting", [300, 304, 400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 451]],
    ["waiting", [500, 501, 502, 503, 504, 511, 520, 599]],
  ] as const)
    test(`${statuses}: ${state}`, async () => {
      await using receiver = new Receiver(
        (_, nth) => new Response(null, { status: statuses[nth - 1] ?? 200 }),
      );
      await using provider = start({ concurrency: 1 });
      const { id } = await provider.register({ url: receiver.url });
      for (const status of statuses) {
        await provider.publish("a.b", status);
        const delivery = await attempted(provider, id, 1);
        expect(delivery).toMatchObject({ state, attempts: [{ status, error: null }] });
      }
    });

  test("redirects of all kinds are failures, and lead nowhere", async () => {
    await using canary = await rawServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    const statuses = [300, 301, 302, 303, 305, 306, 307, 308];
    await using receiver = new Receiver(
      (_, nth) =>
        new Response(`<meta http-equiv="refresh" content="0;url=${canary.url}">`, {
          status: statuses[nth - 1] ?? 200,
          headers: { location: canary.url, refresh: `0;url=${canary.url}` },
        }),
    );
    await using provider = start();
    const { id } = await provider.register({ url: receiver.url });
    await provider.publish("a.b", 1);
    for (let count = 1; count <= statuses.length; count++)
      (await pass(provider, (await attempted(provider, id, count)).dueAt))();
    const { state, attempts } = await attempted(provider, id, statuses.length + 1);
    expect(attempts.map(({ status }) => status)).toEqual([...statuses, 200]);
    expect(state).toBe("delivered");
    expect(canary.connections).toBe(0);
  });

  test("PROVIDER-12: 410 disables: nothing more is sent, whatever waits and however long", async () => {
    await using receiver = new Receiver(
      (_, nth) => new Response(null, { status: [500, 410][nth - 1] ?? 200 }),
    );
    await using witness = new Receiver();
    await using provider = start();
    const { id } = await provider.register({ url: receiver.url, types: ["a.b"] });
    await provider.register({ url: witness.url, types: ["endpoint.disabled"] });
    const first = await provider.publish("a.b", 1);
    await attempted(provider, id, 1);
    const second = await provider.publish("a.b", 2);
    const list = await provider.deliveries(id, ([one]) => one?.state === "dead");
    expect(list).toMatchObject([
      { id: second, attempts: [{ status: 410 }] },
      { id: first, state: "waiting", attempts: [{ status: 500 }] },
    ]);
    expect((await provider.ask("GET", `/endpoints/${id}`)).json.disabled).toBe("gone");
    const [told] = (await witness.reached(1)).received;
    expect(JSON.parse(told!.body).data).toEqual({ endpoint: id, reason: "gone" });
    await provider.publish("a.b", 3);
    jest.advanceTimersByTime(24 * HOUR);
    await provider.ask("GET", "/endpoints");
    expect(receiver.ids).toEqual([first, second]);
    // Enabled again, it goes on with what waited.
    await provider.ask("POST", `/endpoints/${id}/enable`);
    await receiver.reached(3);
    expect(receiver.ids[2]).toBe(first);
  });
});
