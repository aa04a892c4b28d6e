import { afterEach, beforeEach, describe, expect, jest, mock, spyOn, test } from "bun:test";
import { getEventListeners } from "node:events";
import {
  answerTimer,
  ask,
  BackOff,
  bearerHeaders,
  body,
  eventsUrl,
  fetchTicket,
  Inbox,
  linkedAbort,
  pause,
  readPage,
  Refusal,
  retryAfterMs,
  visible,
  watchSilence,
  type Note,
  type SubscribeOptions,
} from "../src/client.ts";
import { Problem } from "../src/problem.ts";
import { createRandom } from "../src/random.ts";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
  mock.restore();
});

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

/** Runs one wait of a back-off to its end; answers how long it was. */
const waitOnce = async (backOff: BackOff, notes: Note[], error: unknown = new Error("cut")) => {
  const waiting = backOff.wait(error);
  const note = notes.at(-1);
  if (note?.kind !== "retry") throw new Error("The wait was not announced.");
  if (note.inMs > 1) {
    let over = false;
    void waiting.then(() => (over = true));
    jest.advanceTimersByTime(note.inMs - 1);
    await Promise.resolve();
    expect(over).toBe(false);
  }
  jest.advanceTimersByTime(1);
  await waiting;
  return note.inMs;
};

const createBackOff = (options: SubscribeOptions = {}) => {
  const notes: Note[] = [];
  const backOff = new BackOff({ ...options, onNote: (note) => notes.push(note) });
  return { backOff, notes };
};

describe("BackOff", () => {
  test("CLIENT-2: full jitter: anything between nothing and a bound that doubles", async () => {
    const random = createRandom(42);
    spyOn(Math, "random").mockImplementation(random.next);
    const bounds = [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000];
    const waits: number[][] = bounds.map(() => []);
    for (let round = 0; round < 200; round++) {
      const { backOff, notes } = createBackOff({ minRetryMs: 100, maxRetryMs: 2_000 });
      for (const list of waits) list.push(await waitOnce(backOff, notes));
    }
    for (const [n, bound] of bounds.entries()) {
      const list = waits[n] ?? [];
      expect(Math.max(...list)).toBeLessThanOrEqual(bound);
      expect(Math.max(...list)).toBeGreaterThan(bound * 0.9);
      expect(Math.min(...list)).toBeGreaterThanOrEqual(0);
      expect(Math.min(...list)).toBeLessThan(bound * 0.1);
    }
  });

  test("CLIENT-2: starts anew only after a stable while", async () => {
    spyOn(Math, "random").mockReturnValue(1);
    const { backOff, notes } = createBackOff({ minRetryMs: 100 });
    expect(await waitOnce(backOff, notes)).toBe(100);
    expect(await waitOnce(backOff, notes)).toBe(200);
    backOff.opened();
    jest.advanceTimersByTime(4_000);
    expect(await waitOnce(backOff, notes)).toBe(400);
    backOff.opened();
    jest.advanceTimersByTime(6_000);
    expect(await waitOnce(backOff, notes)).toBe(100);
    // The long life of a former connection says nothing about an attempt that failed.
    jest.advanceTimersByTime(60_000);
    expect(await waitOnce(backOff, notes)).toBe(200);
  });

  test("CLIENT-3: the server sets the first bound", async () => {
    spyOn(Math, "random").mockReturnValue(1);
    const { backOff, notes } = createBackOff({ maxRetryMs: 5_000 });
    backOff.minMs = 3_000;
    expect(await waitOnce(backOff, notes)).toBe(3_000);
    expect(await waitOnce(backOff, notes)).toBe(5_000);
  });

  test("CLIENT-3: nobody makes it come back without any pause", async () => {
    spyOn(Math, "random").mockReturnValue(1);
    const own = createBackOff({ minRetryMs: 0 });
    const asked = createBackOff();
    asked.backOff.minMs = 0;
    for (const bound of [10, 20, 40])
      for (const { backOff, notes } of [own, asked])
        expect(await waitOnce(backOff, notes)).toBe(bound);
    for (const ms of [0, NaN]) {
      const none = createBackOff({ minRetryMs: ms, maxRetryMs: ms });
      expect(await waitOnce(none.backOff, none.notes)).toBe(10);
    }
  });

  test("CLIENT-2: polls that go well one after another are a stable while", async () => {
    spyOn(Math, "random").mockReturnValue(1);
    const { backOff, notes } = createBackOff({ minRetryMs: 100 });
    await waitOnce(backOff, notes);
    for (let n = 0; n < 7; n++) {
      backOff.opened();
      jest.advanceTimersByTime(1_000);
    }
    expect(await waitOnce(backOff, notes)).toBe(100);
  });

  test("CLIENT-3: Retry-After is waited for, and the jitter comes on top", async () => {
    spyOn(Math, "random").mockReturnValue(0.5);
    const { backOff, notes } = createBackOff({ minRetryMs: 100 });
    expect(await waitOnce(backOff, notes, new Refusal(503, "full", 7_000))).toBe(7_050);
    expect(await waitOnce(backOff, notes, new Refusal(429, "often", 0))).toBe(100);
  });

  test("a Retry-After of months does not overflow the timer into an immediate return", async () => {
    const { backOff } = createBackOff();
    let over = false;
    void backOff.wait(new Refusal(503, "see you in spring", 100 * 86_400_000)).then(() => {
      over = true;
    });
    jest.advanceTimersByTime(86_400_000);
    await Promise.resolve();
    expect(over).toBe(false);
  });

  test.each([200, 204, 400, 401, 403, 404, 405, 410, 413, 415, 422, 426])(
    "CLIENT-4: %d is final",
    async (status) => {
      const { backOff, notes } = createBackOff();
      const refusal = new Refusal(status, "no");
      expect(refusal.final).toBe(true);
      expect(await backOff.wait(refusal).catch((error: unknown) => error)).toBe(refusal);
      expect(notes).toEqual([]);
    },
  );

  test.each([301, 408, 425, 429, 500, 502, 503, 504])("CLIENT-4: %d is passing", async (status) => {
    const { backOff, notes } = createBackOff();
    await waitOnce(backOff, notes, new Refusal(status, "later"));
    expect(notes).toMatchObject([{ kind: "retry", reason: "later" }]);
  });

  test("CLIENT-1: an abort ends the wait without an error", async () => {
    const controller = new AbortController();
    const { backOff } = createBackOff({ signal: controller.signal, minRetryMs: 30_000 });
    const waiting = backOff.wait(new Error("cut"));
    controller.abort();
    await waiting;
    expect(listeners(controller.signal)).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
    await backOff.wait(new Refusal(400, "final, but nobody asks any more"));
  });

  test("says what happens on the way", async () => {
    spyOn(Math, "random").mockReturnValue(1);
    const { backOff, notes } = createBackOff({ minRetryMs: 100 });
    backOff.opened();
    await waitOnce(backOff, notes, null);
    expect(notes).toEqual([
      { kind: "open" },
      { kind: "retry", inMs: 100, reason: "The server ended the connection." },
    ]);
  });
});

describe("retryAfterMs", () => {
  const now = Date.parse("2025-11-20T21:48:00Z");
  test.each([
    [null, 0],
    ["0", 0],
    ["7", 7_000],
    ["Thu, 20 Nov 2025 21:48:30 GMT", 30_000],
    ["Thu, 20 Nov 2025 21:47:30 GMT", 0],
    ["", 0],
    ["soon", 0],
    ["-5", 0],
    ["1.5", 0],
  ])("CLIENT-3: %j is %d ms", (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms);
  });
});

describe("pause", () => {
  test("CLIENT-6: ends in time, and leaves no listener and no timer", async () => {
    const { signal } = new AbortController();
    const pausing = pause(1_000, signal);
    expect([listeners(signal), jest.getTimerCount()]).toEqual([1, 1]);
    jest.advanceTimersByTime(1_000);
    await pausing;
    expect([listeners(signal), jest.getTimerCount()]).toEqual([0, 0]);
  });

  test("CLIENT-6: ends at once on abort, and leaves no listener and no timer", async () => {
    const controller = new AbortController();
    const pausing = pause(1_000, controller.signal);
    controller.abort();
    await pausing;
    await pause(1_000, controller.signal);
    await pause(1_000, AbortSignal.abort());
    expect([listeners(controller.signal), jest.getTimerCount()]).toEqual([0, 0]);
  });
});

describe("visible", () => {
  const hide = (hidden: boolean) => {
    const document = Object.assign(new EventTarget(), { hidden });
    Object.assign(globalThis, { document });
    return document;
  };
  afterEach(() => {
    Reflect.deleteProperty(globalThis, "document");
  });

  test("SHORT-POLL-5: is so at once where there is no page, and where one is seen", async () => {
    await visible();
    hide(false);
    await visible();
  });

  test("SHORT-POLL-5: waits until a hidden page is seen, or the signal aborts", async () => {
    const page = hide(true);
    const controller = new AbortController();
    let seen = false;
    const waiting = visible(controller.signal).then(() => (seen = true));
    page.dispatchEvent(new Event("visibilitychange"));
    await Promise.resolve();
    expect(seen).toBe(false);
    page.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    await waiting;
    expect(listeners(controller.signal)).toBe(0);

    page.hidden = true;
    const leaving = visible(controller.signal);
    controller.abort();
    await leaving;
    expect(listeners(controller.signal)).toBe(0);
  });
});

describe("linkedAbort", () => {
  test("CLIENT-6: is set off by the subscription's signal, with its reason", () => {
    const controller = new AbortController();
    const line = linkedAbort(controller.signal);
    expect(line.signal.aborted).toBe(false);
    controller.abort("enough");
    expect([line.signal.aborted, line.signal.reason]).toEqual([true, "enough"]);
    expect(listeners(controller.signal)).toBe(0);
  });

  test("CLIENT-6: its own abort leaves the subscription alone, and no listener", () => {
    const { signal } = new AbortController();
    const line = linkedAbort(signal);
    expect(listeners(signal)).toBe(1);
    line.abort("silence");
    expect([line.signal.reason, signal.aborted, listeners(signal)]).toEqual(["silence", false, 0]);
  });

  test("works with a signal that has aborted, and with none", () => {
    expect(linkedAbort(AbortSignal.abort("before")).signal.reason).toBe("before");
    const line = linkedAbort(undefined);
    line.abort();
    expect(line.signal.aborted).toBe(true);
  });
});

describe("watchSilence", () => {
  /** A source that yields what is pushed, and ends or fails on demand. */
  const createSource = () => {
    const items: number[] = [];
    let wake = () => {};
    let failure: Error | undefined;
    let ended = false;
    return {
      push: (item: number) => (items.push(item), wake()),
      end: () => ((ended = true), wake()),
      fail: (error: Error) => ((failure = error), wake()),
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const item = items.shift();
          if (item !== undefined) yield item;
          else if (failure) throw failure;
          else if (ended) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    };
  };

  test("CLIENT-5: cuts a source that is silent", async () => {
    const source = createSource();
    const onSilence = mock((error: Error) => source.fail(error));
    const watched = watchSilence(source, 1_000, onSilence);
    source.push(1);
    expect(await watched.next()).toEqual({ done: false, value: 1 });
    const next = watched.next().catch((error: unknown) => error);
    jest.advanceTimersByTime(999);
    expect(onSilence).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(onSilence).toHaveBeenCalledTimes(1);
    expect(`${await next}`).toContain("silent for 1000 ms");
    expect(jest.getTimerCount()).toBe(0);
  });

  test("CLIENT-5: the time that the consumer takes does not count", async () => {
    const source = createSource();
    const onSilence = mock();
    const watched = watchSilence(source, 1_000, onSilence);
    for (let n = 0; n < 5; n++) {
      source.push(n);
      expect((await watched.next()).value).toBe(n);
      jest.advanceTimersByTime(60_000);
    }
    expect(onSilence).not.toHaveBeenCalled();
    await watched.return(undefined);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("CLIENT-5: who never wants to be told of silence is not told at once", () => {
    const onSilence = mock();
    const watched = watchSilence(createSource(), Infinity, onSilence);
    void watched.next();
    const timer = answerTimer(Infinity, onSilence);
    jest.advanceTimersByTime(86_400_000);
    expect(onSilence).not.toHaveBeenCalled();
    clearTimeout(timer);
  });

  test("CLIENT-6: leaves no timer when the source ends", async () => {
    const source = createSource();
    const watched = watchSilence(source, 1_000, mock());
    const next = watched.next();
    expect(jest.getTimerCount()).toBe(1);
    source.end();
    expect((await next).done).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe("Inbox", () => {
  const read = async (inbox: Inbox<number>) => {
    const got: number[] = [];
    for await (const item of inbox) got.push(item);
    return got;
  };

  test("gives on what is pushed, in order, before and while it is read", async () => {
    const inbox = new Inbox<number>(10);
    inbox.push(1);
    const reading = read(inbox);
    inbox.push(2);
    await Promise.resolve();
    inbox.push(3);
    inbox.end();
    expect(await reading).toEqual([1, 2, 3]);
    expect(inbox.push(4)).toBe(false);
  });

  test("is bounded, and has room again when it was read", async () => {
    const inbox = new Inbox<number>(2);
    expect([1, 2, 3].map((item) => inbox.push(item))).toEqual([true, true, false]);
    const items = inbox[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    expect(inbox.push(4)).toBe(true);
    expect([(await items.next()).value, (await items.next()).value]).toEqual([2, 4]);
  });

  test("what arrived before the end is read before its error is thrown", async () => {
    const inbox = new Inbox<number>(10);
    const failure = new Error("cut");
    inbox.push(1);
    inbox.end(failure);
    inbox.end(new Error("too late"));
    const items = inbox[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    expect(await items.next().catch((error: unknown) => error)).toBe(failure);
  });
});

describe("readPage", () => {
  const event = { id: "1-1", type: "a", time: "2025-11-20T21:48:00.000Z", data: null };

  test("POLL-1: reads a poll's answer", async () => {
    const page = { events: [event], cursor: "1-1" };
    expect(await readPage(body(Response.json(page)))).toEqual(page);
  });

  test.each<[string, unknown]>([
    ["null", null],
    ["a list", [event]],
    ["no cursor", { events: [event] }],
    ["no events", { cursor: "1-1" }],
    ["half an event", { events: [{ id: "1-1" }], cursor: "1-1" }],
  ])("POLL-1: refuses %s", async (_, page) => {
    const error = await readPage(body(Response.json(page))).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
  });
});

test("an answer's bytes are read where a stream cannot be iterated, as in Safari", async () => {
  const page = { events: [], cursor: "1-1" };
  const answer = Response.json(page);
  Object.defineProperty(answer.body, Symbol.asyncIterator, { value: undefined });
  expect(await readPage(body(answer))).toEqual(page);
});

test("CLIENT-8: an answer without an end is given up, and its bytes are not asked for any more", async () => {
  jest.useRealTimers();
  let pulls = 0;
  const endless = () => {
    pulls = 0;
    const pull = (controller: ReadableStreamDefaultController) => {
      if (++pulls > 40) throw new Error("Somebody holds more than 16 MiB.");
      controller.enqueue(new Uint8Array(2 ** 20).fill(32));
    };
    return new ReadableStream({ pull });
  };
  const tooLong = "The server's answer is longer than 16777216 characters.";
  await expect(readPage(body(new Response(endless())))).rejects.toThrow(tooLong);
  expect(pulls).toBeLessThan(20);
  spyOn(globalThis, "fetch").mockImplementation(
    Object.assign(async () => new Response(endless(), { status: 400 }), fetch),
  );
  await expect(ask(new URL("http://localhost"), {})).rejects.toThrow("The server answered 400.");
  expect(pulls).toBeLessThan(20);
});

describe("the way to a server", () => {
  test.each([
    ["http://localhost:3003", "http://localhost:3003/events"],
    ["http://localhost:3003/", "http://localhost:3003/events"],
    ["http://example.org/feed", "http://example.org/feed/events"],
    ["http://example.org/feed//", "http://example.org/feed/events"],
  ])("the events of %s are at %s", (url, events) => {
    expect(`${eventsUrl(url, {})}`).toBe(events);
    expect(`${eventsUrl(new URL(url), {})}`).toBe(events);
  });

  test.each(["nonsense", "", "localhost:3003", "ftp://localhost", "file:///events", "http://"])(
    "CLIENT-4: the URL %j, which can never work, is final",
    (url) => {
      const refusal = new Refusal(400, "url: must be an absolute http or https URL.");
      expect(() => eventsUrl(url, {})).toThrow(refusal);
      expect(refusal.final).toBe(true);
    },
  );

  test("the place, the filter and the ticket go into the query", () => {
    const url = eventsUrl("http://localhost", { after: "1-2", types: ["a", "b.c"], ticket: "t&t" });
    expect(Object.fromEntries(url.searchParams)).toEqual({
      after: "1-2",
      types: "a,b.c",
      ticket: "t&t",
    });
  });

  test("CLIENT-7: the token goes into a header", () => {
    expect(bearerHeaders("s3cret")).toEqual({ authorization: "Bearer s3cret" });
    expect(bearerHeaders(undefined)).toEqual({});
  });

  test("a refusal says what the server says", async () => {
    jest.useRealTimers();
    const answers: Response[] = [
      new Problem(503, "subscribers: full.", { "retry-after": "3" }).toResponse(),
      new Response("<html>", { status: 502 }),
      new Response(null, { status: 304 }),
    ];
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => answers.shift() ?? new Response("ok"),
    });
    const refusal = () => ask(server.url, {}).catch((error: unknown) => error);
    expect(await refusal()).toMatchObject({
      status: 503,
      message: "subscribers: full.",
      retryAfterMs: 3_000,
      final: false,
    });
    expect(await refusal()).toMatchObject({ status: 502, message: "The server answered 502." });
    expect((await ask(server.url, {})).status).toBe(304);
    expect(await (await ask(server.url, {})).text()).toBe("ok");
  });

  test("AUTH-3: a ticket is fetched with the token in a header", async () => {
    jest.useRealTimers();
    const asked: string[] = [];
    const answers: unknown[] = [{ ticket: "t1", expiresInMs: 30_000 }, {}];
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const { pathname, search } = new URL(request.url);
        const authorization = request.headers.get("authorization");
        asked.push(`${request.method} ${pathname}${search} ${authorization}`);
        return Response.json(answers.shift());
      },
    });
    expect(await fetchTicket(server.url, "s3cret")).toBe("t1");
    expect(asked).toEqual(["POST /tickets Bearer s3cret"]);
    const error = await fetchTicket(server.url, "s3cret").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
  });
});
