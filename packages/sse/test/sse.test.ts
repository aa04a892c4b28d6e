import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { connect } from "node:net";
import type { FeedEvent } from "@tidings/shared";
import type { Note } from "@tidings/shared/client";
import { bearer, Feed, type ReaderOptions } from "@tidings/shared/server";
import { subscribe } from "../src/client.ts";
import { server, type Options } from "../src/server.ts";
import { decodeEvent, decoder, encode, encodeEvent } from "../src/wire.ts";

const EPOCH = 1_000;
const TIME = "1970-01-01T00:00:05.000Z";

/** Counts who reads from it, and notes at which turn of the event loop a page was read. */
class CountingFeed extends Feed {
  readers = 0;
  turn = 0;
  readonly pages: number[] = [];

  override reader(options?: ReaderOptions) {
    const reader = super.reader(options);
    const close = () => {
      this.readers--;
      reader.close();
    };
    this.readers++;
    return {
      get cursor() {
        return reader.cursor;
      },
      get behind() {
        return reader.behind;
      },
      read: () => {
        const batch = reader.read();
        if (batch) this.pages.push(this.turn);
        return batch;
      },
      close,
    };
  }
}

const start = (options: Partial<Options> = {}, history = 0) => {
  const closing = new AbortController();
  const feed = new CountingFeed({ epoch: EPOCH, now: () => 5_000, maxBytes: 2 ** 20 });
  for (let n = 1; n <= history; n++) feed.publish("a", n);
  const app = server({ feed, signal: closing.signal, ...options });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  if (!app.server) throw new Error("The server did not start.");
  const { url } = app.server;
  const status = async () => {
    const answer: unknown = await (await fetch(new URL("status", url))).json();
    return answer as Record<"subscribers" | "dropped" | "bytesOut" | "delivered", number>;
  };
  return {
    feed,
    closing,
    url: url.origin,
    port: Number(url.port),
    status,
    open: (query = "", init?: RequestInit) => fetch(`${url.origin}/events${query}`, init),
    /** Asks for the status until it is as it should be; a test that waits in vain times out. */
    async until(holds: (status: Awaited<ReturnType<typeof this.status>>) => boolean) {
      for (;;) {
        const now = await status();
        if (holds(now)) return now;
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await app.server?.stop(true);
    },
  };
};

/** Reads a stream as text, as far as a test needs it. */
const textOf = (response: Response) => {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) throw new Error("The answer has no body.");
  let text = "";
  return {
    async until(part: string) {
      while (!text.includes(part)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`The stream ended before ${JSON.stringify(part)}: ${text}`);
        text += value;
      }
      return text;
    },
    async rest() {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return text;
        text += value;
      }
    },
    leave: () => reader.cancel(),
  };
};

const frame = (n: number, type = "a", named = false) =>
  encodeEvent({ id: `1000-${n}`, type, time: TIME, data: n }, named);

afterEach(() => {
  mock.restore();
});

describe("a stream", () => {
  test("SSE-1, SSE-2: its headers and first bytes, at once", async () => {
    spyOn(Math, "random").mockReturnValue(0.5);
    await using house = start({}, 3);
    const response = await house.open();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-cache, no-transform");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    const stream = textOf(response);
    expect(await stream.until("\n\n")).toBe("retry: 3000\nid: 1000-3\n\n");

    // CURSOR-4: from now on.
    house.feed.publish("a", 4);
    expect(await stream.until("1000-4")).toBe(`retry: 3000\nid: 1000-3\n\n${frame(4)}`);
  });

  test("SSE-2: each client is told a pause of its own", async () => {
    await using house = start({ retryMs: 1_000 });
    const pauses = new Set<number>();
    for (let n = 0; n < 20; n++) {
      const text = await textOf(await house.open()).until("\n\n");
      const [, ms] = /^retry: (\d+)\n/.exec(text) ?? [];
      pauses.add(Number(ms));
    }
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(2_000);
    expect(pauses.size).toBeGreaterThan(10);
  });

  test("SLOW-1: a long replay takes a turn of the event loop for each page", async () => {
    await using house = start({}, 4_500);
    const { feed } = house;
    let counting: NodeJS.Immediate;
    const count = () => {
      feed.turn++;
      counting = setImmediate(count);
    };
    count();
    const { body } = await house.open("?after=0-0");
    if (!body) throw new Error("There is no stream.");
    let text = "";
    const utf8 = new TextDecoder();
    for await (const chunk of body) {
      text += utf8.decode(chunk, { stream: true });
      if (text.includes(`id: ${EPOCH}-4500\n`)) break;
    }
    clearImmediate(counting!);
    expect(text.match(/^id: /gm)).toHaveLength(4_500);
    expect(feed.pages).toHaveLength(5);
    expect(new Set(feed.pages).size).toBe(5);
  });

  test("SSE-3: a replay, byte for byte", async () => {
    spyOn(Math, "random").mockReturnValue(0);
    await using house = start({}, 3);
    const stream = textOf(await house.open("?after=1000-1"));
    expect(await stream.until("1000-3")).toBe(`retry: 2000\n\n${frame(2)}${frame(3)}`);
    house.feed.publish("a", 4);
    expect(await stream.until("1000-4")).toEndWith(frame(4));
  });

  test("SSE-4: ?named=1 puts the type into `event:` as well", async () => {
    await using house = start({}, 2);
    const text = await textOf(await house.open("?after=1000-1&named=1")).until("1000-2");
    expect(text).toEndWith(`\n\n${frame(2, "a", true)}`);
  });

  test("SSE-6: Last-Event-ID wins over ?after=", async () => {
    await using house = start({}, 3);
    const headers = { "last-event-id": "1000-2" };
    const text = await textOf(await house.open("?after=0-0", { headers })).until("1000-3");
    expect(text).toEndWith(`\n\n${frame(3)}`);
    expect(text).not.toContain("id: 1000-1\n");
  });

  test("GAP-1: a cursor of a former life brings a gap event first", async () => {
    await using house = start({}, 2);
    const text = await textOf(await house.open("?after=7-7")).until("1000-2");
    const [opening, ...messages] = decoder()(text);
    expect(opening?.data).toBeUndefined();
    expect(messages.map(decodeEvent)).toEqual([
      {
        id: "1000-0",
        type: "feed.gap",
        time: TIME,
        data: { after: "7-7", resumesAt: "1000-1", reason: "epoch" },
      },
      { id: "1000-1", type: "a", time: TIME, data: 1 },
      { id: "1000-2", type: "a", time: TIME, data: 2 },
    ]);
  });

  test("SSE-7, FILTER-4: a heartbeat moves a filtered client's cursor, and dispatches nothing", async () => {
    await using house = start({ heartbeatMs: 20 });
    const stream = textOf(await house.open("?types=b"));
    await stream.until("id: 1000-0\n\n");
    house.feed.publish("a", 1);
    house.feed.publish("a", 2);
    const text = await stream.until(": \nid: 1000-2\n\n");
    expect(text).not.toContain("data:");
    house.feed.publish("b", 3);
    expect(await stream.until("1000-3")).toContain(frame(3, "b"));
  });

  test("SSE-8: HEAD has the headers, and starts no stream", async () => {
    await using house = start();
    const response = await house.open("", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(await response.text()).toBe("");
    expect(house.feed.readers).toBe(0);
    expect((await house.status()).subscribers).toBe(0);
  });

  test("HTTP/1.0 gets its stream, without chunks", async () => {
    await using house = start();
    const socket = connect(house.port, "127.0.0.1");
    let text = "";
    const arrived = Promise.withResolvers<void>();
    socket.on("data", (bytes) => {
      text += bytes;
      if (text.includes(frame(1))) arrived.resolve();
      else if (text.includes("\n\n")) house.feed.publish("a", 1);
    });
    socket.on("error", arrived.reject);
    socket.write("GET /events HTTP/1.0\r\n\r\n");
    await arrived.promise;
    socket.destroy();
    const [head = "", body = ""] = text.split("\r\n\r\n");
    expect(head.toLowerCase()).not.toContain("transfer-encoding");
    expect(body).toMatch(/^retry: \d+\nid: 1000-0\n\nid: 1000-1\n/);
  });
});

describe("what is refused", () => {
  test.each([
    [400, "?after=", {}],
    [400, "?after=1e3", {}],
    [400, "?after=%00", {}],
    [400, "?after=1000-4", {}],
    [400, "?types=", {}],
    [400, "?types=A", {}],
    [400, "?after=0-0", { "last-event-id": "x" }],
    [403, "", { origin: "https://evil.example" }],
  ])("%d for %s %o, and no seat is taken", async (status, query, headers) => {
    await using house = start({}, 3);
    const response = await house.open(query, { headers: { ...headers } });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(house.feed.readers).toBe(0);
    expect((await house.status()).subscribers).toBe(0);
  });

  test("AUTH-4: 401 without a token; a ticket opens one stream", async () => {
    await using house = start({ authorize: bearer("s3cret") });
    expect((await house.open()).status).toBe(401);
    const headers = { authorization: "Bearer s3cret" };
    const issued = await fetch(`${house.url}/tickets`, { method: "POST", headers });
    const { ticket } = JSON.parse(await issued.text());
    expect((await house.open(`?ticket=${ticket}`)).status).toBe(200);
    expect((await house.open(`?ticket=${ticket}`)).status).toBe(401);
    expect((await house.open("", { headers })).status).toBe(200);
  });

  test("SSE-9: a full server says when to come back, and ends with 200", async () => {
    await using house = start({ maxSubscribers: 1 }, 3);
    const first = textOf(await house.open());
    await first.until("\n\n");
    const second = await house.open();
    expect(second.status).toBe(200);
    expect(second.headers.get("content-type")).toBe("text/event-stream");
    expect(await second.text()).toMatch(/^retry: \d+\nid: 1000-3\n\n$/);
    expect(await (await house.open("?after=1000-1")).text()).toMatch(/^retry: \d+\n\n$/);
    expect(house.feed.readers).toBe(1);

    await first.leave();
    await house.until(({ subscribers }) => subscribers === 0);
    await textOf(await house.open("?after=1000-1")).until(frame(3));
  });
});

describe("the end", () => {
  test("SSE-11: draining ends the streams after a whole message, and admits nobody", async () => {
    await using house = start({}, 3);
    const streams = await Promise.all(
      Array.from({ length: 10 }, async () => textOf(await house.open("?after=0-0"))),
    );
    for (const stream of streams) await stream.until(frame(3));
    house.feed.publish("a", 4);
    house.closing.abort();
    for (const stream of streams) expect(await stream.rest()).toEndWith("\n\n");
    expect((await house.status()).subscribers).toBe(0);
    expect(house.feed.readers).toBe(0);

    const late = await house.open("?after=0-0");
    expect(late.status).toBe(200);
    expect(await late.text()).toMatch(/^retry: \d+\n\n$/);
  });

  test("STATUS-2: three hundred that come and go leave nothing behind", async () => {
    await using house = start({ heartbeatMs: 60_000 }, 3);
    for (let round = 0; round < 6; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, n) => {
          const leaving = new AbortController();
          const opening = house.open("?after=0-0", { signal: leaving.signal });
          // Some leave before they are answered, some with the headers, some in the middle.
          if (n % 3 === 0) leaving.abort();
          const response = await opening.catch(() => undefined);
          if (response && n % 3 === 1) await textOf(response).until(frame(1));
          leaving.abort();
        }),
      );
      house.feed.publish("a", 0);
    }
    await house.until(({ subscribers }) => subscribers === 0);
    expect(house.feed.readers).toBe(0);
  });

  /** One that asks for the stream and reads none of it; 50 MB pass by, in a window of 1 MiB. */
  const stall = async (house: ReturnType<typeof start>) => {
    const stalled = connect(house.port, "127.0.0.1");
    stalled.pause();
    stalled.on("error", () => {});
    stalled.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await house.until(({ subscribers }) => subscribers === 1);
    const data = "x".repeat(50_000);
    for (let n = 1; n <= 1_000; n++) {
      house.feed.publish("a", data);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return stalled;
  };

  test("SSE-10, SLOW-1, SLOW-2: one that stops reading costs little, delays nobody, and is cut", async () => {
    await using house = start({ heartbeatMs: 500 });
    const stalled = await stall(house);
    // What was written for the one that does not read lies in the sockets' buffers, of which the
    // kernel has a few MB, and in `maxHeldBytes`.
    expect((await house.status()).bytesOut).toBeLessThan(20_000_000);

    const healthy = textOf(await house.open());
    await healthy.until("id: 1000-1000\n\n");
    for (let n = 1_001; n <= 1_050; n++) {
      house.feed.publish("a", n);
      await healthy.until(frame(n));
    }
    // The healthy one keeps its seat; the other one is found out by the heartbeats it doesn't take.
    await house.until(({ subscribers, dropped }) => subscribers === 1 && dropped === 1);
    house.feed.publish("a", 1_051);
    await healthy.until(frame(1_051));
    expect(house.feed.readers).toBe(1);
    stalled.destroy();
  }, 60_000);

  test("STATUS-1: one that leaves in the middle of what it reads was not cut", async () => {
    await using house = start();
    const stalled = await stall(house);
    stalled.destroy();
    await house.until(({ subscribers }) => subscribers === 0);
    expect((await house.status()).dropped).toBe(0);
  });

  test("GAP-4: one that reads on after a long pause is told what it lost", async () => {
    await using house = start();
    const socket = connect(house.port, "127.0.0.1");
    socket.pause();
    socket.write("GET /events?after=1000-0 HTTP/1.0\r\n\r\n");
    await house.until(({ subscribers }) => subscribers === 1);
    const data = "x".repeat(50_000);
    for (let n = 1; n <= 1_000; n++) {
      house.feed.publish("a", data);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    house.feed.publish("end", null);

    const decode = decoder();
    const ended = Promise.withResolvers<void>();
    let place = 0;
    let gaps = 0;
    let head = "";
    const advance = (event: FeedEvent | undefined) => {
      if (!event) return;
      const offset = Number(event.id.split("-")[1]);
      if (event.type === "feed.gap") {
        gaps++;
        expect(event.data).toMatchObject({
          after: `1000-${place}`,
          resumesAt: `1000-${offset + 1}`,
        });
      } else expect(offset).toBe(place + 1);
      place = offset;
      if (event.type === "end") ended.resolve();
    };
    socket.on("data", (bytes) => {
      try {
        let text = `${bytes}`;
        if (!head.includes("\r\n\r\n")) {
          head += text;
          text = head.split("\r\n\r\n")[1] ?? "";
        }
        for (const message of decode(text)) advance(decodeEvent(message));
      } catch (error) {
        ended.reject(error);
      }
    });
    socket.on("error", ended.reject);
    socket.setEncoding("utf8");
    socket.resume();
    await ended.promise;
    socket.destroy();
    expect([place, gaps > 0]).toEqual([1_001, true]);
  });

  test("FEED-3: published between the answer and its first byte, it arrives exactly once", async () => {
    // A rule that is waited for puts turns of the microtask queue between the two.
    await using house = start({ authorize: async () => true });
    const { reader } = house.feed;
    house.feed.reader = (options) => {
      queueMicrotask(() => {
        house.feed.publish("a", 1);
        // Whoever joins now has everybody else told first.
        reader.call(house.feed).close();
      });
      return reader.call(house.feed, options);
    };
    const stream = textOf(await house.open("?after=0-0"));
    house.feed.publish("a", 2);
    expect(await stream.until(frame(2))).toEndWith(`\n\n${frame(1)}${frame(2)}`);
  });

  test("FEED-3: published while it connects, it arrives exactly once", async () => {
    await using house = start({}, 10);
    let publishing = true;
    const publisher = (async () => {
      for (let n = 11; publishing; n++) {
        house.feed.publish("a", n);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    })();
    const checkOne = async (round: number) => {
      const response = await house.open("?after=1000-8");
      const decode = decoder();
      const utf8 = new TextDecoder();
      let place = 8;
      for await (const chunk of response.body ?? []) {
        for (const message of decode(utf8.decode(chunk, { stream: true }))) {
          const event = decodeEvent(message);
          if (event) expect([round, event.id]).toEqual([round, `1000-${++place}`]);
        }
        if (place > 40) return;
      }
    };
    for (let round = 0; round < 200; round += 10)
      await Promise.all(Array.from({ length: 10 }, (_, n) => checkOne(round + n)));
    publishing = false;
    await publisher;
  });
});

describe("the client", () => {
  /** A server that answers each request from a script, and keeps the requests. */
  const scripted = (...answers: Response[]) => {
    // A request's parts are gone when it is answered, so they are kept at once.
    const requests: { query: URLSearchParams; authorization: string | null }[] = [];
    const made = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const query = new URL(request.url).searchParams;
        requests.push({ query, authorization: request.headers.get("authorization") });
        return answers.shift() ?? new Response(encode({ retry: 60_000 }), { headers });
      },
    });
    return {
      url: made.url,
      afters: () => requests.map(({ query }) => query.get("after")),
      requests,
      [Symbol.dispose]: () => void made.stop(true),
    };
  };
  const headers = { "content-type": "text/event-stream" };
  const stream = (...chunks: (string | Uint8Array<ArrayBuffer>)[]) =>
    new Response(
      new ReadableStream({
        start(controller) {
          for (const chunk of chunks)
            controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
          controller.close();
        },
      }),
      { headers },
    );
  const collect = async (url: URL, count: number, options = {}) => {
    const got: FeedEvent[] = [];
    const events = subscribe(url, { minRetryMs: 1, maxRetryMs: 5, ...options });
    for await (const event of events) if (got.push(event) === count) break;
    return got.map(({ id }) => id);
  };

  test("CURSOR-7: comes back with its cursor, ids without data included", async () => {
    using house = scripted(
      stream(encode({ retry: 1, id: "1000-0" })),
      stream(encode({ retry: 1 }), frame(1), frame(2)),
      stream(encode({ retry: 1 }), encode({ comment: "", id: "1000-7" })),
      stream(frame(8)),
    );
    expect(await collect(house.url, 3)).toEqual(["1000-1", "1000-2", "1000-8"]);
    expect(house.afters()).toEqual([null, "1000-0", "1000-2", "1000-7"]);
  });

  test("CURSOR-7: an event that was cut in the middle is asked for again", async () => {
    using house = scripted(stream(frame(1), frame(2).slice(0, -1)), stream(frame(2)));
    expect(await collect(house.url, 2, { after: "0-0" })).toEqual(["1000-1", "1000-2"]);
    expect(house.afters()).toEqual(["0-0", "1000-1"]);
  });

  test("SSE-12: a chunk may end in the middle of a character", async () => {
    const event = { id: "1000-1", type: "a", time: TIME, data: "ä€😀" };
    const bytes = new TextEncoder().encode(encodeEvent(event));
    using house = scripted(stream(...Array.from(bytes, (byte) => new Uint8Array([byte]))));
    for await (const got of subscribe(house.url)) {
      expect(got).toEqual(event);
      break;
    }
  });

  test("CLIENT-3: `retry:` sets the first bound of the pause, whatever was said before", async () => {
    spyOn(Math, "random").mockReturnValue(0.5);
    using house = scripted(stream(encode({ retry: 60_000 }), encode({ retry: 8_000 }), frame(1)));
    const leaving = new AbortController();
    const pauses: number[] = [];
    const onNote = (note: Note) => {
      if (note.kind !== "retry") return;
      pauses.push(note.inMs);
      leaving.abort();
    };
    for await (const _ of subscribe(house.url, { signal: leaving.signal, onNote }));
    expect(pauses).toEqual([4_000]);
  });

  test("CLIENT-4: comes back after a 503, and throws at a 400", async () => {
    using house = scripted(
      new Response(null, { status: 503 }),
      stream(frame(1)),
      Response.json({ detail: "cursor: must be …" }, { status: 400 }),
    );
    const got: string[] = [];
    const following = (async () => {
      for await (const { id } of subscribe(house.url, { minRetryMs: 1 })) got.push(id);
    })();
    expect(await following.catch((error: unknown) => error)).toMatchObject({
      name: "Refusal",
      status: 400,
      message: "cursor: must be …",
    });
    expect(got).toEqual(["1000-1"]);
  });

  test.each([
    ["HTML", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["nothing", () => new Response(null, { status: 204 })],
  ])("SSE-13: %s instead of an event stream is final", async (_, answer) => {
    using house = scripted(answer(), stream(frame(1)));
    const got = await collect(house.url, 1).catch((error: unknown) => error);
    expect(got).toMatchObject({ name: "Refusal", final: true });
    expect(house.requests.length).toBe(1);
  });

  test("SSE-13: the media type may be written as it likes, and have parameters", async () => {
    const shouted = { headers: { "content-type": "Text/Event-Stream; charset=UTF-8" } };
    using house = scripted(new Response(frame(1), shouted));
    expect(await collect(house.url, 1)).toEqual(["1000-1"]);
  });

  test("CLIENT-6: leaving, or an abort, ends the request", async () => {
    await using house = start({ heartbeatMs: 60_000 }, 1);
    for await (const event of subscribe(house.url, { after: "0-0" })) {
      expect(event.id).toBe("1000-1");
      break;
    }
    await house.until(({ subscribers }) => subscribers === 0);

    const leaving = new AbortController();
    for await (const _ of subscribe(house.url, { after: "0-0", signal: leaving.signal }))
      leaving.abort();
    await house.until(({ subscribers }) => subscribers === 0);
    expect(house.feed.readers).toBe(0);
  });

  test("CLIENT-1: yields nothing of a chunk after an abort", async () => {
    using house = scripted(stream(frame(1) + frame(2) + frame(3)));
    const leaving = new AbortController();
    const got: string[] = [];
    for await (const { id } of subscribe(house.url, { signal: leaving.signal })) {
      got.push(id);
      leaving.abort();
    }
    expect(got).toEqual(["1000-1"]);
  });

  test("CLIENT-6: leaving a stream that has failed meanwhile ends it all the same", async () => {
    let fail = () => {};
    const start = (controller: ReadableStreamDefaultController) => {
      controller.enqueue(new TextEncoder().encode(frame(1) + frame(2)));
      fail = () => controller.error(new Error("The server has died."));
    };
    const answer = async () => new Response(new ReadableStream({ start }), { headers });
    const asked = spyOn(globalThis, "fetch").mockImplementation(Object.assign(answer, fetch));
    const notes: Note["kind"][] = [];
    const onNote = ({ kind }: Note) => void notes.push(kind);
    for await (const { id } of subscribe("http://localhost", { onNote, minRetryMs: 1 })) {
      expect(id).toBe("1000-1");
      fail();
      break;
    }
    expect(asked).toHaveBeenCalledTimes(1);
    expect(notes).toEqual(["request", "open"]);
  });

  test("an error of the caller's own at the request is the caller's", async () => {
    const onNote = ({ kind }: Note) => {
      if (kind === "request") throw new Error("my own");
      throw new Error("taken for a failure");
    };
    await expect(subscribe("http://localhost", { onNote }).next()).rejects.toThrow("my own");
  });

  test("CLIENT-5: a connection that falls silent is made anew", async () => {
    const afters: (string | null)[] = [];
    const silent = () =>
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(frame(1))),
      });
    using made = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const after = new URL(request.url).searchParams.get("after");
        afters.push(after);
        return after === null ? new Response(silent(), { headers }) : stream(frame(2));
      },
    });
    expect(await collect(made.url, 2, { silenceMs: 50 })).toEqual(["1000-1", "1000-2"]);
    // Where the machine stalls for as long, a connection that has not spoken yet is made anew, too.
    expect([...new Set(afters)]).toEqual([null, "1000-1"]);
  });

  test("CLIENT-7: the token goes into a header, the filter into the query", async () => {
    using house = scripted(stream(frame(1)));
    await collect(house.url, 1, { token: "s3cret", types: ["a", "b"] });
    const [request] = house.requests;
    expect(request?.authorization).toBe("Bearer s3cret");
    expect(request?.query.toString()).toBe("types=a%2Cb");
  });
});
