import type { FeedEvent } from "@tidings/shared";
import { body, readPage, type Note } from "@tidings/shared/client";
import { Feed, type ReaderOptions } from "@tidings/shared/server";
import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { subscribe } from "../src/client.ts";
import { server, type Options } from "../src/server.ts";

afterEach(() => {
  mock.restore();
});

const start = (options: Partial<Options> = {}, history = 0) => {
  const closing = new AbortController();
  const feed = options.feed ?? new Feed({ epoch: 1_000 });
  for (let n = 1; n <= history; n++) feed.publish("a", n);
  const app = server({ signal: closing.signal, ...options, feed });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  if (!app.server) throw new Error("The server did not start.");
  const { origin } = app.server.url;
  return {
    feed,
    closing,
    get: (query = "", init?: RequestInit) => fetch(`${origin}/events${query}`, init),
    page: async (query = "") => readPage(body(await fetch(`${origin}/events${query}`))),
    /** Resolves when so many are held, with the status. */
    async held(count: number) {
      for (;;) {
        const answer: unknown = await (await fetch(`${origin}/status`)).json();
        const status = answer as { subscribers: number; bytesOut: number };
        if (status.subscribers === count) return status;
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await app.server?.stop(true);
    },
  };
};

/** Publishes between the look and the wait: right after a reader has found nothing. */
class NastyFeed extends Feed {
  override reader(options?: ReaderOptions) {
    const reader = super.reader(options);
    return {
      get cursor() {
        return reader.cursor;
      },
      get behind() {
        return reader.behind;
      },
      read: () => {
        const batch = reader.read();
        if (!batch && this.window.events === 0) this.publish("a", "in between");
        return batch;
      },
      close: () => reader.close(),
    };
  }
}

describe("an answer", () => {
  test("LONG-POLL-1: what is published between the look and the wait is not lost", async () => {
    await using house = start({ feed: new NastyFeed({ epoch: 1_000 }) });
    const page = await house.page("?after=0-0");
    expect(page).toMatchObject({ events: [{ data: "in between" }], cursor: "1000-1" });
  });

  test("LONG-POLL-1: what is published between two polls is not lost", async () => {
    await using house = start({}, 1);
    const { cursor } = await house.page();
    house.feed.publish("a", 2);
    const page = await house.page(`?after=${cursor}`);
    expect(page).toMatchObject({ events: [{ data: 2 }], cursor: "1000-2" });
  });

  test("STATUS-1, STATUS-2: who has left gets none, and nothing is counted for it", async () => {
    await using house = start({}, 1);
    const { cursor } = await house.page();
    const leaving = new AbortController();
    const asked = house.get(`?after=${cursor}`, { signal: leaving.signal });
    const { bytesOut } = await house.held(1);
    leaving.abort();
    await asked.catch(() => {});
    expect(await house.held(0)).toMatchObject({ bytesOut });
  });

  test("LONG-POLL-2: a wait is 25 s at the most, each with a length of its own", async () => {
    const waits: unknown[] = [];
    const real = globalThis.setTimeout;
    const noted = (done: () => void, ms = 0) => {
      // Longer than any hold may be is another test's.
      if (ms > 10_000 && ms <= 240_000) waits.push(ms);
      return real(done, ms);
    };
    spyOn(globalThis, "setTimeout").mockImplementation(Object.assign(noted, real));
    const closing = new AbortController();
    const { handle } = server({ feed: new Feed(), signal: closing.signal });
    const ask = () => handle(new Request("http://localhost/events?after=0-0"));
    const answers = Array.from({ length: 20 }, ask);
    while (waits.length < answers.length) await new Promise((turn) => setImmediate(turn));
    closing.abort();
    await Promise.all(answers);
    for (const ms of waits) expect(ms).toBeWithin(20_000, 25_001);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });

  test("LONG-POLL-4, POLL-1: when the time is up, 200 with no events and the cursor", async () => {
    await using house = start({ holdMs: 20 }, 3);
    const answer = await house.get("?after=1000-3");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({ events: [], cursor: "1000-3" });
    const full = await house.get("?after=1000-2");
    expect(full.headers.get("cache-control")).toBe("no-store");
  });

  test("LONG-POLL-5: who has no cursor is told its place at once", async () => {
    // Held, it would come after the test's own time-out.
    await using house = start({ holdMs: 200_000 }, 3);
    expect(await (await house.get()).json()).toEqual({ events: [], cursor: "1000-3" });
  });

  test("HEALTH-2: HEAD has the headers of GET, and waits for nothing", async () => {
    await using house = start({ holdMs: 200_000 }, 3);
    const head = await house.get("?after=1000-3", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("cache-control")).toBe("no-store");
    expect(head.headers.get("vary")).toBe("Prefer, Origin");
    expect(await head.text()).toBe("");
  });

  test("LONG-POLL-6: a burst is one answer", async () => {
    await using house = start({}, 1);
    const answer = house.page("?after=1000-1");
    await house.held(1);
    for (let n = 2; n <= 6; n++) house.feed.publish("a", n);
    const { events, cursor } = await answer;
    expect(events.map(({ data }) => data)).toEqual([2, 3, 4, 5, 6]);
    expect(cursor).toBe("1000-6");
    await house.held(0);
  });

  test("LONG-POLL-7, POLL-4: without a seat nobody waits, and what is ready is answered", async () => {
    await using house = start({ maxSubscribers: 1 }, 2);
    const first = house.get("?after=1000-2");
    await house.held(1);
    const refused = await house.get("?after=1000-2");
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(await (await house.get("?after=1000-1")).json()).toMatchObject({ cursor: "1000-2" });
    expect((await house.get()).status).toBe(200);
    house.feed.publish("a", 3);
    expect((await first).status).toBe(200);
  });

  test("LONG-POLL-8: a closing server answers all that it holds, and holds no more", async () => {
    await using house = start({ holdMs: 200_000 }, 1);
    const answers = Array.from({ length: 5 }, () => house.get("?after=1000-1"));
    await house.held(5);
    house.closing.abort();
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual({ events: [], cursor: "1000-1" });
    }
    const late = await house.get("?after=1000-1");
    expect([late.status, late.headers.get("retry-after")]).toEqual([503, "1"]);
  });

  test("POLL-2, POLL-3: pages are bounded by `limit`, and the cursor moves by page", async () => {
    await using house = start({}, 250);
    expect((await house.page("?after=0-0")).events).toHaveLength(100);
    const { events, cursor } = await house.page("?after=1000-100&limit=2");
    expect([events.length, cursor]).toEqual([2, "1000-102"]);
    expect((await house.get("?after=0-0&limit=1.5")).status).toBe(400);
  });
});

describe("the server", () => {
  test.each([-1, 240_001, NaN])("holdMs: %d is refused, and the maximum named", (holdMs) => {
    expect(() => server({ feed: new Feed(), holdMs })).toThrow(
      new RangeError("holdMs: must be a number from 0 to 240000."),
    );
  });

  test.each([
    ["wait=5", "wait=5"],
    ["WAIT = 5", "wait=5"],
    ['wait="5"', "wait=5"],
    ["wait=5; foo=bar", "wait=5"],
    ["respond-async, wait=5", "wait=5"],
    ["wait=1, wait=2", "wait=1"],
    ['foo="a, \\", b", wait=5', "wait=5"],
    ["wait=25", "wait=25"],
    // More than the server's own time is not what the client gets.
    ["wait=26", null],
    ["wait=x, wait=5", null],
    ["wait=-1", null],
    ["wait=1.5", null],
    ['wait="5', null],
    ["wait", null],
    ["wait=x; foo=5", null],
    ["waiting=5", null],
    // Neither a parameter of another preference nor a part of a string.
    ["foo; wait=5", null],
    ['foo="a, wait=5"', null],
    ['foo="\\", wait=5"', null],
  ])("LONG-POLL-3: Prefer: %s applies %p", async (prefer, applied) => {
    const { handle } = server({ feed: new Feed() });
    const answer = await handle(new Request("http://localhost/events", { headers: { prefer } }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("preference-applied")).toBe(applied);
    expect(answer.headers.get("vary")).toContain("Prefer");
  });
});

describe("the client", () => {
  const event = (offset: number): FeedEvent => ({
    id: `1-${offset}`,
    type: "a",
    time: "2025-11-20T21:48:00.000Z",
    data: offset,
  });

  /** Follows a server that answers at once, from a script, until the client pauses. */
  const follow = async (
    answers: { events: FeedEvent[]; cursor: string }[],
    onEvent: (leaving: AbortController) => void = () => {},
  ) => {
    const leaving = new AbortController();
    const notes: Note["kind"][] = [];
    let asked = 0;
    using made = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        // One that never pauses shall not keep the test from its end.
        if (++asked === 20) leaving.abort();
        return Response.json(answers.shift() ?? { events: [], cursor: "1-9" });
      },
    });
    const onNote = ({ kind }: Note) => {
      notes.push(kind);
      if (kind === "retry") leaving.abort();
    };
    const got: string[] = [];
    const { signal } = leaving;
    for await (const { id } of subscribe(made.url, { signal, onNote, minRetryMs: 30_000 })) {
      got.push(id);
      onEvent(leaving);
    }
    return { asked, got, notes };
  };

  test("LONG-POLL-9: pauses when a server has nothing new and does not wait for it", async () => {
    const { asked, notes } = await follow([]);
    expect(asked).toBe(2);
    expect(notes.at(-1)).toBe("retry");
  });

  test("LONG-POLL-9: pauses when nothing comes at once, though the cursor moves", async () => {
    const cursors = ["1-1", "1-2", "1-3", "1-4"];
    const { asked, notes } = await follow(cursors.map((cursor) => ({ events: [], cursor })));
    expect(asked).toBe(2);
    expect(notes.at(-1)).toBe("retry");
  });

  test("LONG-POLL-9, CLIENT-1: pauses when a server says the same again, and yields it once", async () => {
    // Not even a consumer that takes its time makes a slow answer out of it.
    let now = 0;
    spyOn(performance, "now").mockImplementation(() => now);
    const page = { events: [event(3)], cursor: "1-3" };
    const { asked, got, notes } = await follow([page, page, page, page, page], () => {
      now += 60_000;
    });
    expect([asked, got]).toEqual([2, ["1-3"]]);
    expect(notes.at(-1)).toBe("retry");
  });

  test("POLL-3: asks again at once while events come", async () => {
    const { asked, got } = await follow([
      // Who has no cursor is told one.
      { events: [], cursor: "1-0" },
      { events: [event(1)], cursor: "1-1" },
      { events: [event(2)], cursor: "1-2" },
      { events: [event(3)], cursor: "1-3" },
    ]);
    expect(got).toEqual(["1-1", "1-2", "1-3"]);
    expect(asked).toBe(5);
  });

  test("CLIENT-1: yields nothing of a page after an abort", async () => {
    const page = { events: [event(1), event(2), event(3)], cursor: "1-3" };
    const { got } = await follow([page], (leaving) => leaving.abort());
    expect(got).toEqual(["1-1"]);
  });

  test.each(["request", "open"])(
    "an error of the caller's own at %j is the caller's",
    async (at) => {
      const onNote = ({ kind }: Note) => {
        if (kind === at) throw new Error("my own");
        if (kind === "retry") throw new Error("taken for a failure");
      };
      using made = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () => Response.json({ events: [], cursor: "1-9" }),
      });
      await expect(subscribe(made.url, { onNote }).next()).rejects.toThrow("my own");
    },
  );
});
