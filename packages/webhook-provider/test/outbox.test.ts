import type { FeedEvent } from "@tidings/shared";
import { Feed } from "@tidings/shared/server";
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Attempt } from "../src/attempt.ts";
import { Outbox, type Due, type Endpoint } from "../src/outbox.ts";

const SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const NOW = 1_000_000;

const endpoint = (id: string, rest: Partial<Endpoint> = {}): Endpoint => ({
  id,
  url: "http://127.0.0.1/",
  types: undefined,
  ordered: false,
  disabled: undefined,
  createdAt: NOW,
  secrets: [SECRET],
  ...rest,
});

const events = (count: number, type = "a.b"): FeedEvent[] => {
  const feed = new Feed({ epoch: 1 });
  for (let n = 1; n <= count; n++) feed.publish(type, n);
  return feed.since("0-0");
};

const result = (at: number, status: number | null = 200): Attempt => ({
  at,
  ms: 1,
  status,
  error: status === null ? "reset" : null,
  answer: "",
  askedMs: 0,
});

const file = () => {
  const folder = mkdtempSync(join(tmpdir(), "outbox-"));
  return {
    path: join(folder, "outbox.sqlite"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
};

const claimed = async (outbox: Outbox, id: string, limit = 10, now = NOW): Promise<Due[]> =>
  (await outbox.claim(id, limit, 1_000, now))?.due ?? [];
const ids = (due: readonly { id: string }[]) => due.map(({ id }) => id).sort();

describe("PROVIDER-13: what was added", () => {
  test("survives closing and reopening, endpoints, secrets and queues", async () => {
    using place = file();
    const first = new Outbox(place.path);
    await first.register(endpoint("ep_a", { types: ["a.b"], ordered: true }), []);
    const added = events(3);
    for (const event of added) expect(await first.add(event, NOW)).toEqual(["ep_a"]);
    await first.close();

    const second = new Outbox(place.path);
    const kept = await second.endpoint("ep_a", NOW);
    expect(kept).toMatchObject({ types: ["a.b"], ordered: true, secrets: [SECRET], waiting: 3 });
    const [due] = await claimed(second, "ep_a");
    const { time } = added[0]!;
    expect(due).toEqual({
      key: "1-1",
      id: "1-1",
      body: JSON.stringify({ type: "a.b", timestamp: time, data: 1 }),
      failed: 0,
      firstAt: undefined,
    });
    await second.close();
  });

  test("is free again after a crash: a lease in the file is a dead server's", async () => {
    using place = file();
    const dead = new Outbox(place.path);
    await dead.register(endpoint("ep_a"), events(3));
    expect(ids(await claimed(dead, "ep_a", 2))).toEqual(["1-1", "1-2"]);
    // No close: the file is opened as a killed server leaves it.
    const next = new Outbox(place.path);
    expect(ids(await claimed(next, "ep_a"))).toEqual(["1-1", "1-2", "1-3"]);
    await Promise.all([dead.close(), next.close()]);
  });
});

describe("a claim", () => {
  test("has each delivery once, until its lease ends", async () => {
    const outbox = new Outbox(":memory:");
    await outbox.register(endpoint("ep_a"), events(20));
    const claims = await Promise.all(Array.from({ length: 5 }, () => claimed(outbox, "ep_a", 4)));
    expect(ids(claims.flat())).toEqual(ids(events(20)));
    expect(await claimed(outbox, "ep_a", 20, NOW + 1_000 - 1)).toEqual([]);
    expect(await claimed(outbox, "ep_a", 20, NOW + 1_000)).toHaveLength(20);
    await outbox.close();
  });

  test("tells when the next delivery is due", async () => {
    const outbox = new Outbox(":memory:");
    await outbox.register(endpoint("ep_a"), events(2));
    const [due] = await claimed(outbox, "ep_a", 1);
    await outbox.record("ep_a", due!, result(NOW, 500), "waiting", NOW + 5_000);
    const next = await outbox.claim("ep_a", 10, 1_000, NOW);
    expect(next?.due.map(({ id }) => id)).toEqual(["1-2"]);
    expect(next?.nextAt).toBe(NOW + 5_000);
    const both = await claimed(outbox, "ep_a", 10, NOW + 5_000);
    expect(both.map(({ failed }) => failed).sort()).toEqual([0, 1]);
    await outbox.close();
  });

  test("PROVIDER-15: an ordered endpoint's line waits behind the first event", async () => {
    const outbox = new Outbox(":memory:");
    await outbox.register(endpoint("ep_a", { ordered: true }), events(3));
    const [first] = await claimed(outbox, "ep_a");
    expect(first?.id).toBe("1-1");
    expect(await claimed(outbox, "ep_a")).toEqual([]);
    await outbox.record("ep_a", first!, result(NOW, null), "waiting", NOW + 5_000);
    expect((await outbox.claim("ep_a", 10, 1_000, NOW))?.nextAt).toBe(NOW + 5_000);
    expect(await claimed(outbox, "ep_a", 10, NOW + 4_999)).toEqual([]);
    const [again] = await claimed(outbox, "ep_a", 10, NOW + 5_000);
    expect(again).toMatchObject({ id: "1-1", failed: 1 });
    await outbox.record("ep_a", again!, result(NOW + 5_000), "delivered");
    expect(ids(await claimed(outbox, "ep_a", 10, NOW + 5_000))).toEqual(["1-2"]);
    await outbox.close();
  });

  test("of a disabled or unknown endpoint has nothing", async () => {
    const outbox = new Outbox(":memory:");
    await outbox.register(endpoint("ep_a"), events(1));
    await outbox.disable("ep_a", "request");
    expect(await outbox.claim("ep_a", 1, 1_000, NOW)).toBeUndefined();
    expect(await outbox.claim("ep_b", 1, 1_000, NOW)).toBeUndefined();
    expect(await outbox.add({ ...events(2)[1]!, id: "1-2" }, NOW)).toEqual([]);
    await outbox.disable("ep_a", null);
    expect(ids(await claimed(outbox, "ep_a"))).toEqual(["1-1"]);
    await outbox.close();
  });
});

describe("PROVIDER-12: an endpoint is disabled", () => {
  test("when an event has used up its schedule and nothing else was accepted meanwhile", async () => {
    const outbox = new Outbox(":memory:");
    await outbox.register(endpoint("ep_a"), events(2));
    const [one] = await claimed(outbox, "ep_a", 1);
    expect(await outbox.record("ep_a", one!, result(NOW, 500), "waiting", NOW)).toBe(false);
    const again = await claimed(outbox, "ep_a");
    const last = again.find(({ id }) => id === one!.id)!;
    expect(await outbox.record("ep_a", last, result(NOW + 9, 500), "dead")).toBe(true);
    expect((await outbox.endpoint("ep_a"))?.disabled).toBe("failing");
    await outbox.close();
  });

  test("and is not, when another event was", async () => {
    const outbox = new Outbox(":memory:");
    await outbox.register(endpoint("ep_a"), events(2));
    const [one, two] = await claimed(outbox, "ep_a");
    await outbox.record("ep_a", one!, result(NOW, 500), "waiting", NOW);
    await outbox.record("ep_a", two!, result(NOW + 1), "delivered");
    const [last] = await claimed(outbox, "ep_a");
    expect(await outbox.record("ep_a", last!, result(NOW + 2, 500), "dead")).toBe(false);
    expect((await outbox.endpoint("ep_a"))?.disabled).toBeUndefined();
    await outbox.close();
  });
});

describe("a replay", () => {
  test("brings back what was delivered and what is dead, and leaves what waits alone", async () => {
    const outbox = new Outbox(":memory:");
    const all = events(3);
    await outbox.register(endpoint("ep_a"), all);
    const [one, two] = await claimed(outbox, "ep_a", 2);
    await outbox.record("ep_a", one!, result(NOW), "delivered");
    await outbox.record("ep_a", two!, result(NOW, 500), "waiting", NOW + 5_000);
    expect(await outbox.replay("ep_a", all, NOW)).toBe(true);
    const again = await claimed(outbox, "ep_a");
    expect(ids(again)).toEqual(ids([one!, all[2]!]));
    expect(again.every(({ failed }) => failed === 0)).toBe(true);
    await outbox.close();
  });

  test("PROVIDER-7: of one event needs nothing but its id; of an unknown one it is refused", async () => {
    const outbox = new Outbox(":memory:");
    const [event] = events(1, "x.y");
    await outbox.register(endpoint("ep_a", { types: ["a.b"] }), []);
    expect(await outbox.add(event!, NOW)).toEqual([]);
    expect(await outbox.replayOne("ep_a", "1-1", NOW)).toBe(true);
    expect(ids(await claimed(outbox, "ep_a"))).toEqual(["1-1"]);
    expect(await outbox.replayOne("ep_a", "1-2", NOW)).toBe(false);
    expect(await outbox.replayOne("ep_b", "1-1", NOW)).toBe(false);
    await outbox.close();
  });
});

test("a rotated secret signs until the overlap ends", async () => {
  const outbox = new Outbox(":memory:");
  await outbox.register(endpoint("ep_a"), []);
  await outbox.rotate("ep_a", "whsec_new", NOW + 100);
  expect((await outbox.endpoint("ep_a", NOW + 99))?.secrets).toEqual(["whsec_new", SECRET]);
  expect((await outbox.endpoint("ep_a", NOW + 100))?.secrets).toEqual(["whsec_new"]);
  await outbox.close();
});

test("a gap is kept for each endpoint, beside the event that has its id", async () => {
  const outbox = new Outbox(":memory:");
  const feed = new Feed({ epoch: 1, maxEvents: 2 });
  for (let n = 1; n <= 4; n++) feed.publish("a.b", n);
  await outbox.register(endpoint("ep_a"), feed.since("0-5"));
  await outbox.register(endpoint("ep_b"), feed.since("0-6"));
  for (const [id, after] of [
    ["ep_a", "0-5"],
    ["ep_b", "0-6"],
  ] as const) {
    const due = await claimed(outbox, id);
    expect(ids(due)).toEqual(["1-2", "1-3", "1-4"]);
    const gap = due.find((one) => one.id === "1-2");
    expect(JSON.parse(gap!.body).data.after).toBe(after);
  }
  await outbox.close();
});

test("what was delivered is forgotten in time; what waits and what is dead is not", async () => {
  const outbox = new Outbox(":memory:");
  await outbox.register(endpoint("ep_a"), events(3));
  const due = await claimed(outbox, "ep_a", 2);
  await outbox.record("ep_a", due[0]!, result(NOW), "delivered");
  await outbox.record("ep_a", due[1]!, result(NOW, 500), "dead");
  await outbox.prune(NOW + 1);
  const left = await outbox.deliveries("ep_a");
  expect(left.map(({ state }) => state).sort()).toEqual(["dead", "waiting"]);
  expect(await outbox.replayOne("ep_a", due[0]!.id, NOW)).toBe(false);
  await outbox.close();
});

test("a deleted endpoint takes its queue along, and an attempt that still runs does no harm", async () => {
  const outbox = new Outbox(":memory:");
  await outbox.register(endpoint("ep_a"), events(2));
  const [due] = await claimed(outbox, "ep_a", 1);
  expect(await outbox.remove("ep_a")).toBe(true);
  expect(await outbox.remove("ep_a")).toBe(false);
  expect(await outbox.record("ep_a", due!, result(NOW), "delivered")).toBe(false);
  expect(await outbox.endpoint("ep_a")).toBeUndefined();
  await outbox.close();
});

test("an outbox that cannot be opened says so to whoever asks", async () => {
  const outbox = new Outbox("/nowhere/at/all.sqlite");
  await expect(outbox.add(events(1)[0]!)).rejects.toThrow("unable to open database file");
});
