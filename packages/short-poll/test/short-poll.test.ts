// What a poll is answered with, header by header, and when the client asks again.
import { body, readPage, type Note } from "@tidings/shared/client";
import { Feed } from "@tidings/shared/server";
import { afterEach, expect, mock, spyOn, test } from "bun:test";
import { subscribe } from "../src/client.ts";
import { server, type Options } from "../src/server.ts";

afterEach(() => {
  mock.restore();
});

const start = (options: Partial<Options> = {}, history = 0) => {
  const closing = new AbortController();
  const feed = new Feed({ epoch: 1_000 });
  for (let n = 1; n <= history; n++) feed.publish("a", n);
  const app = server({ feed, signal: closing.signal, ...options });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  if (!app.server) throw new Error("The server did not start.");
  const { origin } = app.server.url;
  return {
    feed,
    closing,
    url: origin,
    get: (query = "", init?: RequestInit) => fetch(`${origin}/events${query}`, init),
    async [Symbol.asyncDispose]() {
      await app.server?.stop(true);
    },
  };
};

test("SHORT-POLL-1, POLL-1: the ETag is made of the cursor, and no cache keeps the answer", async () => {
  await using house = start({}, 3);
  const answer = await house.get("?after=1000-1");
  expect(answer.status).toBe(200);
  expect(answer.headers.get("etag")).toBe('"1000-3"');
  expect(answer.headers.get("cache-control")).toBe("private, no-cache");
  const { events, cursor } = await readPage(body(answer));
  expect(events.map(({ id }) => id)).toEqual(["1000-2", "1000-3"]);
  expect(cursor).toBe("1000-3");
  // Right also when there is nothing: CURSOR-6.
  expect(await (await house.get()).json()).toEqual({ events: [], cursor: "1000-3" });
});

test.each([
  ['"1000-3"', 304],
  ['W/"1000-3"', 304],
  ['"x", W/"1000-3"', 304],
  ['"x","1000-3"', 304],
  ["*", 304],
  ['"1000-2"', 200],
  ["1000-3", 200],
  ['w/"1000-3"', 200],
  ['""', 200],
  [",", 200],
])("SHORT-POLL-2: If-None-Match: %s is answered with %d", async (etag, status) => {
  await using house = start({}, 3);
  const headers = { "if-none-match": etag, origin: "http://127.0.0.1" };
  const answer = await house.get("?after=1000-3", { headers });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("etag")).toBe('"1000-3"');
  expect(answer.headers.get("cache-control")).toBe("private, no-cache");
  expect(answer.headers.get("vary")).toBe("Origin");
  expect((await answer.text()) === "").toBe(status === 304);
});

test("SHORT-POLL-2: who asks in the same words again is answered with the same headers again", async () => {
  await using house = start({}, 3);
  const ask = async () => {
    const answer = await house.get("?after=1000-3", { headers: { "if-none-match": '"1000-3"' } });
    const { date, ...headers } = answer.headers.toJSON();
    return { status: answer.status, headers };
  };
  const first = await ask();
  expect(first).toMatchObject({ status: 304, headers: { etag: '"1000-3"', vary: "Origin" } });
  expect([await ask(), await ask()]).toEqual([first, first]);
});

test("SHORT-POLL-3: HEAD has the headers of GET, and no body", async () => {
  await using house = start({}, 3);
  const headersOf = async (method: string) => {
    const answer = await house.get("?after=1000-1", { method });
    const { date, ...headers } = answer.headers.toJSON();
    return { headers, status: answer.status, body: await answer.text() };
  };
  const get = await headersOf("GET");
  const head = await headersOf("HEAD");
  expect(head).toEqual({ ...get, body: "" });
  expect(get.body).not.toBe("");
});

test("SHORT-POLL-4, POLL-3: a page that leaves events behind asks for no pause", async () => {
  await using house = start({ pollIntervalMs: 1_500 }, 5);
  const full = await house.get("?after=0-0&limit=2");
  expect(full.headers.get("x-poll-interval")).toBe("0");
  expect(await full.json()).toMatchObject({ cursor: "1000-2" });
  const last = await house.get("?after=1000-2&limit=3");
  expect(last.headers.get("x-poll-interval")).toBe("1.5");
  expect(await last.json()).toMatchObject({ cursor: "1000-5" });
});

test("POLL-2: `limit` is clamped, counts no gap, and is a whole number", async () => {
  await using house = start({}, 1_100);
  const count = async (query: string) => {
    const { events } = await readPage(body(await house.get(query)));
    return events.length;
  };
  expect(await count("?after=0-0")).toBe(100);
  expect(await count("?after=0-0&limit=0")).toBe(1);
  expect(await count("?after=0-0&limit=9999")).toBe(1_000);
  expect(await count("?after=7-7&limit=2")).toBe(3);
  for (const limit of ["", "-1", "1.5", "1e1", "0x1", "a", "%20", "9".repeat(400) + "x"])
    expect((await house.get(`?limit=${limit}`)).status).toBe(400);
});

test("POLL-4: a closing server answers 503 with Retry-After", async () => {
  await using house = start();
  house.closing.abort();
  const answer = await house.get("?after=0-0");
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
});

/** The pauses, of at least a second, that the client asked its timer for; each ends at once. */
const hurry = (leastMs = 1_000) => {
  const pauses: number[] = [];
  const real = globalThis.setTimeout;
  const hurried = (done: () => void, ms = 0) => {
    // The client's own time-out for an answer is none of its pauses.
    if (ms < leastMs || ms === 45_000) return real(done, ms);
    pauses.push(ms);
    return real(done, 0);
  };
  spyOn(globalThis, "setTimeout").mockImplementation(Object.assign(hurried, real));
  return pauses;
};

test("SHORT-POLL-4: the client never asks sooner than the server says", async () => {
  const answers = ["4", "0", "2.5", "x"];
  using made = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      const headers = { "x-poll-interval": answers.shift() ?? "100" };
      return Response.json({ events: [], cursor: "1-1" }, { headers });
    },
  });
  const pauses = hurry();
  const leaving = new AbortController();
  let asked = 0;
  const onNote = () => void (++asked > 8 && leaving.abort());
  const options = { signal: leaving.signal, intervalMs: 9_000, onNote };
  for await (const _ of subscribe(made.url, options));
  const [four = 0, half = 0, own = 0] = pauses;
  expect(four).toBeWithin(4_000, 4_801);
  // 0 was no pause at all; what is no number leaves the client its own interval.
  expect(half).toBeWithin(2_500, 3_001);
  expect(own).toBeWithin(9_000, 10_801);
});

test("SHORT-POLL-4: an answer that brought nothing is followed by a pause, whatever it says", async () => {
  using made = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      Response.json({ events: [], cursor: "1-1" }, { headers: { "x-poll-interval": "0" } }),
  });
  const pauses = hurry(0);
  const leaving = new AbortController();
  let asked = 0;
  const onNote = ({ kind }: Note) => {
    if (kind === "request" && ++asked > 5) leaving.abort();
  };
  for await (const _ of subscribe(made.url, { signal: leaving.signal, onNote }));
  expect(pauses.length).toBeGreaterThan(4);
  for (const ms of pauses) expect(ms).toBeWithin(10, 13);
});

test("SHORT-POLL-4, CLIENT-1: a page that comes again brought nothing, and is yielded once", async () => {
  const event = { id: "1-1", type: "a", time: "2025-11-20T21:48:00.000Z", data: 1 };
  const page = { events: [event], cursor: "1-1" };
  using made = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json(page, { headers: { "x-poll-interval": "0" } }),
  });
  const pauses = hurry(0);
  const leaving = new AbortController();
  let asked = 0;
  const onNote = ({ kind }: Note) => {
    if (kind === "request" && ++asked > 5) leaving.abort();
  };
  const got: unknown[] = [];
  for await (const { id } of subscribe(made.url, { signal: leaving.signal, onNote })) got.push(id);
  expect(got).toEqual(["1-1"]);
  const [first, ...others] = pauses;
  expect(first).toBe(0);
  expect(others.length).toBeGreaterThan(3);
  for (const ms of others) expect(ms).toBeWithin(10, 13);
});

test("SHORT-POLL-5: the client waits with jitter, and ends when `until` is true", async () => {
  await using house = start({ pollIntervalMs: 2_000 });
  const pauses = hurry();
  let asked = 0;
  const got: unknown[] = [];
  for await (const { data } of subscribe(house.url, {
    // An event for each second question, so that each pause but the last is seen.
    onNote: ({ kind }) =>
      void (kind === "request" && ++asked % 2 && house.feed.publish("a", asked)),
    until: ({ data }) => data === 21,
  }))
    got.push(data);
  expect(got.at(-1)).toBe(21);
  expect(pauses.length).toBeGreaterThan(10);
  for (const ms of pauses) expect(ms).toBeWithin(2_000, 2_401);
  expect(new Set(pauses).size).toBeGreaterThan(1);
});
