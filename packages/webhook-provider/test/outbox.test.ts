import type { FeedEvent } from "@tidings/shared";
import { Feed } from "@tidings/shared/server";
import { Database } from "bun:sqlite";
import { describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Attempt } from "../src/attempt.ts";
import { Outbox, type OutboxLimits } from "../src/outbox.ts";
import type { Due, State } from "../src/queue.ts";
import type { Endpoint } from "../src/registry.ts";

const SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const NOW = 1_000_000;

const endpoint = (id: string, rest: Partial<Endpoint> = {}): Endpoint => ({
  id,
  url: "http://127.0.0.1/",
  types: undefined,
  ordered: false,
  headers: {},
  ratePerSecond: undefined,
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

const open = (database = ":memory:", limits: OutboxLimits = {}) =>
  new Outbox(database, { feed: new Feed({ epoch: 1 }), ...limits });

const file = () => {
  const folder = mkdtempSync(join(tmpdir(), "outbox-"));
  return {
    path: join(folder, "outbox.sqlite"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
};

const claimed = async (outbox: Outbox, id: string, limit = 10, now = NOW): Promise<Due[]> =>
  (await outbox.claim(id, limit, 1_000, now))?.due ?? [];
const record = async (
  outbox: Outbox,
  due: Due | undefined,
  attempt: Attempt,
  state: State,
  dueAt?: number,
) => {
  outbox.record({ endpointId: "ep_a", due: due!, attempt, state, dueAt });
  // What is asked for later is answered later.
  await outbox.endpoints();
};
const ids = (due: readonly { id: string }[]) => due.map(({ id }) => id).sort();

describe("PROVIDER-13: what was added", () => {
  test("survives closing and reopening, endpoints, secrets and queues", async () => {
    using place = file();
    const first = open(place.path);
    await first.register(endpoint("ep_a", { types: ["a.b"], ordered: true }));
    const { event } = await first.publish("a.b", 1);
    await Promise.all([first.publish("a.b", 2), first.publish("a.c", 3), first.publish("a.b", 4)]);
    await first.close();

    const second = open(place.path);
    const kept = await second.endpoint("ep_a", NOW);
    expect(kept).toMatchObject({ types: ["a.b"], ordered: true, secrets: [SECRET], waiting: 3 });
    const [due] = await claimed(second, "ep_a", 1, Date.now());
    const { time } = event;
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
    const dead = open(place.path);
    await dead.register(endpoint("ep_a"), () => events(3));
    expect(ids(await claimed(dead, "ep_a", 2))).toEqual(["1-1", "1-2"]);
    // No close: the file is opened as a killed server leaves it.
    const next = open(place.path);
    expect(ids(await claimed(next, "ep_a"))).toEqual(["1-1", "1-2", "1-3"]);
    await Promise.all([dead.close(), next.close()]);
  });
});

describe("a claim", () => {
  test("has each delivery once, until its lease ends", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a"), () => events(20));
    const claims = await Promise.all(Array.from({ length: 5 }, () => claimed(outbox, "ep_a", 4)));
    expect(ids(claims.flat())).toEqual(ids(events(20)));
    expect(await claimed(outbox, "ep_a", 20, NOW + 1_000 - 1)).toEqual([]);
    expect(await claimed(outbox, "ep_a", 20, NOW + 1_000)).toHaveLength(20);
    await outbox.close();
  });

  test("tells when the next delivery is due", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a"), () => events(2));
    const [due] = await claimed(outbox, "ep_a", 1);
    await record(outbox, due, result(NOW, 500), "waiting", NOW + 5_000);
    const next = await outbox.claim("ep_a", 10, 1_000, NOW);
    expect(next?.due.map(({ id }) => id)).toEqual(["1-2"]);
    expect(next?.nextAt).toBe(NOW + 5_000);
    const both = await claimed(outbox, "ep_a", 10, NOW + 5_000);
    expect(both.map(({ failed }) => failed).sort()).toEqual([0, 1]);
    await outbox.close();
  });

  test("PROVIDER-15: an ordered endpoint's line waits behind the first event", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a", { ordered: true }), () => events(3));
    const [first] = await claimed(outbox, "ep_a", 1);
    expect(first?.id).toBe("1-1");
    expect(await claimed(outbox, "ep_a")).toEqual([]);
    await record(outbox, first, result(NOW, null), "waiting", NOW + 5_000);
    expect((await outbox.claim("ep_a", 10, 1_000, NOW))?.nextAt).toBe(NOW + 5_000);
    expect(await claimed(outbox, "ep_a", 10, NOW + 4_999)).toEqual([]);
    const [again] = await claimed(outbox, "ep_a", 1, NOW + 5_000);
    expect(again).toMatchObject({ id: "1-1", failed: 1 });
    await record(outbox, again, result(NOW + 5_000), "delivered");
    expect(ids(await claimed(outbox, "ep_a", 10, NOW + 5_000))).toEqual(["1-2", "1-3"]);
    await outbox.close();
  });

  test("of a disabled or unknown endpoint has nothing", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a"), () => events(1));
    await outbox.disable("ep_a", "request");
    expect(await outbox.claim("ep_a", 1, 1_000, NOW)).toBeUndefined();
    expect(await outbox.claim("ep_b", 1, 1_000, NOW)).toBeUndefined();
    await outbox.publish("a.b", 2);
    await outbox.disable("ep_a", null);
    expect(ids(await claimed(outbox, "ep_a"))).toEqual(["1-1"]);
    await outbox.close();
  });
});

describe("PROVIDER-12: an endpoint is disabled", () => {
  test("when an event has used up its schedule and nothing else was accepted meanwhile", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a"), () => events(2));
    const [one] = await claimed(outbox, "ep_a", 1);
    await record(outbox, one, result(NOW, 500), "waiting", NOW);
    const again = await claimed(outbox, "ep_a");
    const last = again.find(({ id }) => id === one!.id)!;
    await record(outbox, last, result(NOW + 9, 500), "dead");
    expect((await outbox.endpoint("ep_a"))?.disabled).toBe("failing");
    await outbox.close();
  });

  test("and is not, when another event was", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a"), () => events(2));
    const [one, two] = await claimed(outbox, "ep_a");
    await record(outbox, one, result(NOW, 500), "waiting", NOW);
    await record(outbox, two, result(NOW + 1), "delivered");
    const [last] = await claimed(outbox, "ep_a");
    await record(outbox, last, result(NOW + 2, 500), "dead");
    expect((await outbox.endpoint("ep_a"))?.disabled).toBeUndefined();
    await outbox.close();
  });
});

describe("a replay", () => {
  test("brings back what was delivered and what is dead, and leaves what waits alone", async () => {
    const outbox = open();
    const all = events(3);
    await outbox.register(endpoint("ep_a"), () => all);
    const [one, two] = await claimed(outbox, "ep_a", 2);
    await record(outbox, one, result(NOW), "delivered");
    await record(outbox, two, result(NOW, 500), "waiting", NOW + 5_000);
    expect(await outbox.replay("ep_a", all, NOW)).toBe(true);
    const again = await claimed(outbox, "ep_a");
    expect(ids(again)).toEqual(ids([one!, all[2]!]));
    expect(again.every(({ failed }) => failed === 0)).toBe(true);
    await outbox.close();
  });

  test("PROVIDER-7: of one event needs nothing but its id; of an unknown one it is refused", async () => {
    const outbox = open();
    await outbox.register(endpoint("ep_a", { types: ["a.b"] }));
    await outbox.publish("x.y", 1);
    expect(await claimed(outbox, "ep_a", 1, Date.now())).toEqual([]);
    expect(await outbox.replayOne("ep_a", "1-1", NOW)).toBe(true);
    expect(ids(await claimed(outbox, "ep_a"))).toEqual(["1-1"]);
    expect(await outbox.replayOne("ep_a", "1-2", NOW)).toBe(false);
    expect(await outbox.replayOne("ep_b", "1-1", NOW)).toBe(false);
    await outbox.close();
  });
});

test("a rotated secret signs until the overlap ends", async () => {
  const outbox = open();
  await outbox.register(endpoint("ep_a"));
  await outbox.rotate("ep_a", "whsec_new", NOW + 100);
  expect((await outbox.endpoint("ep_a", NOW + 99))?.secrets).toEqual(["whsec_new", SECRET]);
  expect((await outbox.endpoint("ep_a", NOW + 100))?.secrets).toEqual(["whsec_new"]);
  await outbox.close();
});

test("a gap is kept for each endpoint, beside the event that has its id", async () => {
  const outbox = open();
  const feed = new Feed({ epoch: 1, maxEvents: 2 });
  for (let n = 1; n <= 4; n++) feed.publish("a.b", n);
  await outbox.register(endpoint("ep_a"), () => feed.since("0-5"));
  await outbox.register(endpoint("ep_b"), () => feed.since("0-6"));
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
  const outbox = open();
  await outbox.register(endpoint("ep_a"), () => events(3));
  const due = await claimed(outbox, "ep_a", 2);
  await record(outbox, due[0], result(NOW), "delivered");
  await record(outbox, due[1], result(NOW, 500), "dead");
  await outbox.prune({ before: NOW + 1, maxKept: 10, maxDead: 10 });
  const left = await outbox.deliveries("ep_a");
  expect(left.map(({ state }) => state).sort()).toEqual(["dead", "waiting"]);
  expect(await outbox.replayOne("ep_a", due[0]!.id, NOW)).toBe(false);
  await outbox.close();
});

test("PROVIDER-12: dead letters, events and attempts are bounded, the oldest go first", async () => {
  const outbox = new Outbox(":memory:", { feed: new Feed({ epoch: 9 }) });
  for (let n = 0; n < 6; n++)
    await outbox.register(endpoint(`ep_${n}`, { types: ["a.b"], createdAt: NOW + n }), () => [
      events(6)[n]!,
    ]);
  const ends = ["delivered", "delivered", "dead", "dead", "waiting", "delivered"] as const;
  for (const [n, state] of ends.entries()) {
    const [due] = await claimed(outbox, `ep_${n}`, 1, NOW + n);
    const attempt = result(NOW + n);
    outbox.record({ endpointId: `ep_${n}`, due: due!, attempt, state });
  }
  await outbox.prune({ before: 0, maxKept: 3, maxDead: 1 });
  const left = await Promise.all(ends.map((_, n) => outbox.deliveries(`ep_${n}`)));
  expect(left.map(([delivery]) => delivery?.state)).toEqual([
    undefined,
    undefined,
    undefined,
    "dead",
    "waiting",
    "delivered",
  ]);
  for (let n = 0; n < 25; n++) {
    const [due] = await claimed(outbox, "ep_4", 1, NOW + 1_000 * (n + 1));
    const attempt = result(NOW + n, 500);
    const dueAt = NOW + 1_000 * n;
    outbox.record({ endpointId: "ep_4", due: due!, attempt, state: "waiting", dueAt });
  }
  const [waiting] = await outbox.deliveries("ep_4");
  expect(waiting?.attempts.map(({ at }) => at)).toEqual(
    Array.from({ length: 20 }, (_, n) => NOW + 5 + n),
  );
  await outbox.close();
});

test("a deleted endpoint takes its queue along, and an attempt that still runs does no harm", async () => {
  const outbox = open();
  await outbox.register(endpoint("ep_a"), () => events(2));
  const [due] = await claimed(outbox, "ep_a", 1);
  expect(await outbox.remove("ep_a")).toBe(true);
  expect(await outbox.remove("ep_a")).toBe(false);
  await record(outbox, due, result(NOW), "delivered");
  expect(await outbox.endpoint("ep_a")).toBeUndefined();
  await outbox.close();
});

describe("PROVIDER-13: a publish", () => {
  const refused = { name: "Problem", status: 503 };

  test("is in the feed only when it is on disk; a refused one leaves nothing behind", async () => {
    const errors = spyOn(console, "error").mockImplementation(() => {});
    using place = file();
    const feed = new Feed({ epoch: 1 });
    const outbox = new Outbox(place.path, { feed });
    await outbox.publish("a.b", 1);
    // Another hand on the file: from now on no event can be written.
    using other = new Database(place.path);
    const block =
      "CREATE TRIGGER block BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'x'); END";
    other.run(block);
    await expect(outbox.publish("a.b", 2, "key")).rejects.toMatchObject(refused);
    expect(feed.cursor).toBe("1-1");
    expect(feed.published("key")).toBeUndefined();
    other.run("DROP TRIGGER block");
    const { event, fresh } = await outbox.publish("a.b", 2, "key");
    expect([event.id, fresh]).toEqual(["1-2", true]);
    expect(feed.since("1-1")).toEqual([event]);
    expect(errors).toHaveBeenCalledTimes(1);
    errors.mockRestore();
    await outbox.close();
  });

  test("PUBLISH-5: with a key is one event, in one turn, in two lives", async () => {
    using place = file();
    const first = open(place.path);
    await first.register(endpoint("ep_a"));
    const published = await Promise.all([1, 2, 3].map(() => first.publish("a.b", { x: 1 }, "key")));
    expect(published.map(({ fresh }) => fresh)).toEqual([true, false, false]);
    await first.close();
    const second = new Outbox(place.path, { feed: new Feed({ epoch: 2 }) });
    const again = await second.publish("a.b", { x: 1 }, "key");
    expect(again).toEqual({ event: published[0]!.event, fresh: false });
    expect((await second.endpoint("ep_a"))?.waiting).toBe(1);
    await second.close();
  });

  test("is refused when too much waits in all, and finds room again", async () => {
    const outbox = open(":memory:", { maxWaitingInAll: 2 });
    await outbox.register(endpoint("ep_a"));
    await outbox.publish("a.b", 1);
    await outbox.publish("a.b", 2);
    await expect(outbox.publish("a.b", 3)).rejects.toMatchObject({
      ...refused,
      headers: { "retry-after": "60" },
    });
    const [due] = await claimed(outbox, "ep_a", 1, Date.now());
    await record(outbox, due, result(NOW), "delivered");
    expect((await outbox.publish("a.b", 3)).event.id).toBe("1-3");
    await expect(outbox.publish("a.b", 4)).rejects.toMatchObject(refused);
    // What waits for nobody stops nobody.
    await outbox.disable("ep_a", "request");
    expect((await outbox.publish("a.b", 4)).event.id).toBe("1-4");
    await outbox.close();
  });

  test("PROVIDER-14: too much for one endpoint disables that one, says so, and loses nothing", async () => {
    const feed = new Feed({ epoch: 1 });
    const woken: string[] = [];
    const wake = (id: string) => void woken.push(id);
    const outbox = new Outbox(":memory:", { feed, wake, maxWaiting: 2 });
    await outbox.register(endpoint("ep_a", { types: ["a.b"] }));
    await outbox.register(endpoint("ep_b", { types: ["endpoint.disabled"] }));
    for (let n = 1; n <= 4; n++) await outbox.publish("a.b", n);
    expect(feed.since("1-2").map(({ type, data }) => ({ type, data }))).toEqual([
      { type: "a.b", data: 3 },
      { type: "endpoint.disabled", data: { endpoint: "ep_a", reason: "full" } },
      { type: "a.b", data: 4 },
    ]);
    expect(woken).toEqual(["ep_a", "ep_a", "ep_a", "ep_b"]);
    expect(await outbox.endpoint("ep_a")).toMatchObject({ disabled: "full", waiting: 3 });
    await outbox.disable("ep_a", null);
    expect(ids(await claimed(outbox, "ep_a", 9, Date.now()))).toEqual(["1-1", "1-2", "1-3"]);
    await outbox.close();
  });
});

test("a ready endpoint is leased what is published, in order; the others claim it", async () => {
  const given = Promise.withResolvers<Map<string, readonly Due[]>>();
  const woken = new Map<string, readonly Due[]>();
  const outbox = new Outbox(":memory:", {
    feed: new Feed({ epoch: 1 }),
    ready: () => ({ ids: ["ep_a"], leaseMs: 60_000 }),
    wake: (id, due) => {
      woken.set(id, due);
      if (woken.size === 2) given.resolve(woken);
    },
  });
  await Promise.all(["ep_a", "ep_b"].map((id) => outbox.register(endpoint(id))));
  await Promise.all([1, 2, 3].map((n) => outbox.publish("a.b", n)));
  const due = await given.promise;
  const leased = due.get("ep_a") ?? [];
  expect(ids([...leased])).toEqual(["1-1", "1-2", "1-3"]);
  expect(due.get("ep_b")).toEqual([]);
  expect(await claimed(outbox, "ep_a", 9, Date.now())).toEqual([]);
  const others = await claimed(outbox, "ep_b", 9, Date.now());
  // The same bytes, whichever way they come.
  expect(others).toEqual([...leased]);
  // An ordered line waits for a lease that nobody gave back, and lets nothing overtake it.
  await outbox.change("ep_a", { ordered: true });
  const behind = await outbox.claim("ep_a", 9, 1_000);
  expect(behind?.due).toEqual([]);
  expect(behind?.nextAt).toBeGreaterThan(Date.now());
  await outbox.change("ep_a", { ordered: false });
  // The lease is one like any other: it can be given back, and it ends.
  await outbox.release("ep_a", leased.slice(0, 1));
  expect(ids(await claimed(outbox, "ep_a", 9, Date.now()))).toEqual(["1-1"]);
  expect(ids(await claimed(outbox, "ep_a", 9, Date.now() + 120_000))).toHaveLength(3);
  await outbox.close();
});

test("what waits is counted exactly, even when a delivery ends twice", async () => {
  const outbox = open();
  await outbox.register(endpoint("ep_a"), () => events(3));
  const due = await claimed(outbox, "ep_a");
  await Promise.all([
    record(outbox, due[0], result(NOW), "delivered"),
    record(outbox, due[0], result(NOW), "delivered"),
  ]);
  expect((await outbox.endpoint("ep_a"))?.waiting).toBe(2);
  await record(outbox, due[0], result(NOW), "delivered");
  expect((await outbox.endpoint("ep_a"))?.waiting).toBe(2);
  await outbox.replay("ep_a", events(3), NOW);
  expect((await outbox.endpoint("ep_a"))?.waiting).toBe(3);
  await outbox.close();
});

test("what is given back can be claimed at once", async () => {
  const outbox = open();
  await outbox.register(endpoint("ep_a", { ordered: true }), () => events(3));
  const due = await claimed(outbox, "ep_a");
  expect(ids(due)).toEqual(["1-1", "1-2", "1-3"]);
  await record(outbox, due[0], result(NOW), "delivered");
  await outbox.release("ep_a", due.slice(1));
  expect(ids(await claimed(outbox, "ep_a"))).toEqual(["1-2", "1-3"]);
  await outbox.close();
});

test("a claim brings no more into memory than a thousand lines can hold, or else one body", async () => {
  const outbox = open();
  const feed = new Feed({ epoch: 1 });
  const sizes = [1, 100_000, 100_000, 100_000, 300_000, 1];
  for (const size of sizes) feed.publish("a.b", "x".repeat(size));
  await outbox.register(endpoint("ep_a"), () => feed.since("0-0"));
  const claims: [taken: string[], nextAt: number | undefined][] = [
    [["1-1", "1-2", "1-3"], NOW],
    [["1-4"], NOW],
    [["1-5"], NOW],
    [["1-6"], undefined],
  ];
  for (const [taken, nextAt] of claims) {
    const claim = await outbox.claim("ep_a", 10, 1_000, NOW);
    expect({ taken: ids(claim?.due ?? []), nextAt: claim?.nextAt }).toEqual({ taken, nextAt });
  }
  await outbox.close();
});

test.each(["missing", "no database", "damaged"])(
  "a database that is %s cannot be used",
  async (flaw) => {
    using place = file();
    if (flaw === "no database") await Bun.write(place.path, "hello, this is a text".repeat(500));
    if (flaw === "damaged") {
      const outbox = open(place.path);
      await outbox.register(endpoint("ep_a"), () => events(500));
      await outbox.close();
      const bytes = await Bun.file(place.path).bytes();
      await Bun.write(place.path, bytes.fill(7, 8_192, bytes.length - 8_192));
    }
    const path = flaw === "missing" ? "/nowhere/at/all.sqlite" : place.path;
    const outbox = open(path);
    await expect(outbox.opened).rejects.toThrow(`database: ${path} cannot be used: `);
  },
);

// What a configuration says, which no compiler has seen: an empty variable is a likely one.
test.each(['""', '" "', "7"])("a database that is called %s is none", (name) => {
  expect(() => open(JSON.parse(name))).toThrow(
    new RangeError("database: must be the path of a file, or `:memory:`."),
  );
});
