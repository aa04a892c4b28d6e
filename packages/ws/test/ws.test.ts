// What goes over a WebSocket here, frame by frame, and what ends it.
import type { Note } from "@tidings/shared/client";
import { Feed } from "@tidings/shared/server";
import { afterEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { subscribe } from "../src/client.ts";
import { server, type Options } from "../src/server.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const start = (options: Partial<Options> = {}) => {
  const feed = new Feed({ epoch: 1_000, now: () => 0 });
  const closing = new AbortController();
  const app = server({ feed, signal: closing.signal, ...options });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  const url = `127.0.0.1:${app.server?.port}`;
  ends.push(() => app.server?.stop(true));
  const status = async () => {
    const answer: unknown = await (await fetch(`http://${url}/status`)).json();
    return answer as { subscribers: number; dropped: number | null };
  };
  return { feed, url, closing, status };
};

const open = (url: string, query = "", protocols: string[] = []) => {
  const socket = new WebSocket(`ws://${url}/events${query}`, protocols);
  const frames: string[] = [];
  const waits = new Set<() => void>();
  const wake = () => waits.forEach((check) => check());
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
  socket.onmessage = ({ data }) => {
    frames.push(String(data));
    wake();
  };
  const count = (n: number) =>
    new Promise<string[]>((resolve) => {
      const check = () => frames.length >= n && resolve(frames);
      waits.add(check);
      check();
    });
  ends.push(() => socket.close());
  return { socket, frames, count, closed };
};

const event = (offset: number, data: unknown) =>
  `{"id":"1000-${offset}","type":"a.b","time":"1970-01-01T00:00:00.000Z","data":${JSON.stringify(data)}}`;

test("WS-4, WS-5: the first frame tells the place, then one text frame for each event", async () => {
  const { feed, url } = start();
  feed.publish("a.b", "before");
  const { count } = open(url);
  expect(await count(1)).toEqual(['{"type":"heartbeat","cursor":"1000-1"}']);
  feed.publish("a.b", 1);
  feed.publish("a.b", "é");
  expect((await count(3)).slice(1)).toEqual([event(2, 1), event(3, "é")]);
});

test("SLOW-1: a long replay takes a turn of the event loop for each page", async () => {
  const { feed, url } = start();
  for (let n = 1; n <= 4_500; n++) feed.publish("a.b", n);
  const pages: number[] = [];
  const { reader } = feed;
  let turn = 0;
  feed.reader = (options) => {
    const made = reader.call(feed, options);
    const { read } = made;
    made.read = () => {
      const batch = read.call(made);
      if (batch) pages.push(turn);
      return batch;
    };
    return made;
  };
  let counting: NodeJS.Immediate;
  const countTurn = () => {
    turn++;
    counting = setImmediate(countTurn);
  };
  countTurn();
  const { count } = open(url, "?after=0-0");
  const frames = await count(4_501);
  clearImmediate(counting!);
  expect(frames.at(-1)).toBe('{"type":"heartbeat","cursor":"1000-4500"}');
  expect(pages).toHaveLength(5);
  expect(new Set(pages).size).toBe(5);
});

test("WS-5: a replay comes first, and the heartbeat says when it is over", async () => {
  const { feed, url } = start();
  for (let n = 1; n <= 3; n++) feed.publish("a.b", n);
  const { count } = open(url, "?after=1000-1");
  const live = '{"type":"heartbeat","cursor":"1000-3"}';
  expect(await count(3)).toEqual([event(2, 2), event(3, 3), live]);
});

test("WS-3: the subprotocol is answered when it is offered, and nothing else is", async () => {
  const { url } = start();
  const protocolOf = async (offers: string[]) => {
    const { socket, count } = open(url, "", offers);
    await count(1);
    return socket.protocol;
  };
  expect(await protocolOf(["other", "tidings.v1"])).toBe("tidings.v1");
  expect(await protocolOf([])).toBe("");
  // A client whose offers are all passed over may hang up; the answer must not name one of them.
  const { promise, resolve } = Promise.withResolvers<string>();
  const [host, port] = url.split(":");
  const raw = connect(Number(port), host);
  raw.once("data", (bytes) => resolve(String(bytes)));
  raw.write(
    `GET /events HTTP/1.1\r\nHost: ${url}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Protocol: other\r\n\r\n",
  );
  const answer = await promise;
  raw.destroy();
  expect(answer).toStartWith("HTTP/1.1 101");
  expect(answer.toLowerCase()).not.toContain("sec-websocket-protocol: other");
});

test("WS-1, WS-2: what is refused is refused before the upgrade", async () => {
  const { url, closing } = start({ maxSubscribers: 1 });
  const answer = (query: string, headers: Record<string, string> = {}) =>
    fetch(`http://${url}/events${query}`, { headers });
  const plain = await answer("");
  expect([plain.status, plain.headers.get("upgrade")]).toEqual([426, "websocket"]);
  expect((await answer("?after=x")).status).toBe(400);
  expect((await answer("", { origin: "https://example.org" })).status).toBe(403);
  await open(url).count(1);
  const upgrade = { upgrade: "websocket", connection: "Upgrade" };
  const full = await answer("", upgrade);
  expect([full.status, full.headers.get("retry-after")]).toEqual([503, "1"]);
  // A client that asks why is told the same, or it would not know how long to stay away.
  const why = await answer("");
  expect([why.status, why.headers.get("retry-after")]).toEqual([503, "1"]);
  closing.abort();
  expect((await answer("", upgrade)).status).toBe(503);
});

test("WS-2: another version of the protocol is told which one is spoken", async () => {
  // Bun says so itself, and ours would be the second answer [RFC 6455, section 4.4].
  const { url, status } = start();
  for (const version of ["8", "99"]) {
    const headers = {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw==",
      "sec-websocket-version": version,
    };
    const answer = await fetch(`http://${url}/events`, { headers });
    expect([answer.status, answer.headers.get("sec-websocket-version")]).toEqual([426, "13"]);
  }
  expect((await status()).subscribers).toBe(0);
});

test("WS-2, STATUS-2: three hundred plain GETs take no seat", async () => {
  const { url, status } = start({ maxSubscribers: 5 });
  for (let n = 0; n < 300; n++) expect((await fetch(`http://${url}/events`)).status).toBe(426);
  expect((await status()).subscribers).toBe(0);
});

test("CLIENT-3: a full server's Retry-After is obeyed, though the handshake cannot show it", async () => {
  const { url } = start({ maxSubscribers: 0 });
  const leaving = new AbortController();
  const pauses: number[] = [];
  const onNote = (note: Note) => {
    if (note.kind !== "retry") return;
    pauses.push(note.inMs);
    leaving.abort();
  };
  const { signal } = leaving;
  for await (const _ of subscribe(`http://${url}`, { signal, onNote, minRetryMs: 10 }));
  // The server asks for a second; the client's own bound is 10 ms.
  expect(pauses[0]).toBeWithin(1_000, 1_011);
});

test("HEALTH-2, WS-2: HEAD is answered as a GET without an upgrade is", async () => {
  const { url } = start();
  const head = await fetch(`http://${url}/events`, { method: "HEAD" });
  expect([head.status, head.headers.get("upgrade")]).toEqual([426, "websocket"]);
  expect(await head.text()).toBe("");
});

test.each([0, 900_001])("pingMs: %d is refused, because no timer takes it", (pingMs) => {
  expect(() => start({ pingMs })).toThrow(
    new RangeError("pingMs: must be a number from 1 to 900000."),
  );
});

test("WS-8: a message over the limit closes with 1009, a flood with 1008", async () => {
  const { url } = start({ maxMessageBytes: 1_000, maxMessagesPerSecond: 10 });
  const large = open(url);
  await large.count(1);
  large.socket.send("x".repeat(1_001));
  expect((await large.closed).code).toBe(1009);
  const flood = open(url);
  await flood.count(1);
  // Twice what a second takes, so that a second that ends in between does not save it.
  for (let n = 0; n < 21; n++) flood.socket.send('{"type":"ping"}');
  expect((await flood.closed).code).toBe(1008);
});

const HANDSHAKE =
  "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n";

test("WS-9: who answers no ping is cut, and who does stays", async () => {
  // Heartbeats go out all the time, and are no sign of life of who gets them.
  const { url, status } = start({ heartbeatMs: 10, pingMs: 500 });
  const [host, port] = url.split(":");
  const alive = open(url);
  await alive.count(1);
  const silent = connect(Number(port), host);
  const got: Uint8Array[] = [];
  silent.on("error", () => {});
  silent.on("data", (bytes) => got.push(Buffer.from(bytes)));
  const gone = new Promise((resolve) => silent.once("close", resolve));
  silent.write(`GET /events HTTP/1.1\r\nHost: ${url}\r\n${HANDSHAKE}`);
  await gone;
  // A ping without a payload [RFC 6455, section 5.5.2].
  expect(Buffer.concat(got).includes(Buffer.from([0x89, 0]))).toBe(true);
  expect((await status()).subscribers).toBe(1);
  expect(alive.socket.readyState).toBe(WebSocket.OPEN);
});

test("WS-10, STATUS-1: a reader that does not read is cut and counted; the others lose nothing", async () => {
  const { feed, url, status } = start({ maxHeldBytes: 2 ** 17 });
  const [host, port] = url.split(":");
  const stalled = connect(Number(port), host);
  const upgraded = new Promise((resolve) => stalled.once("data", resolve));
  const gone = new Promise((resolve) => stalled.once("close", resolve));
  stalled.on("error", () => {});
  stalled.write(
    `GET /events HTTP/1.1\r\nHost: ${url}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await upgraded;
  stalled.pause();
  const fast = open(url);
  await fast.count(1);
  let published = 0;
  while ((await status()).subscribers === 2) {
    feed.publish("a.b", "x".repeat(50_000));
    await fast.count(++published + 1);
  }
  expect(await status()).toMatchObject({ subscribers: 1, dropped: null });
  expect(fast.frames.slice(1).map((frame) => JSON.parse(frame).id)).toEqual(
    Array.from({ length: published }, (_, n) => `1000-${n + 1}`),
  );
  stalled.resume();
  await gone;
}, 60_000);

test("WS-11: on shutdown every socket is closed with 1001", async () => {
  const { url, closing, status } = start();
  const sockets = [open(url), open(url), open(url)];
  for (const { count } of sockets) await count(1);
  closing.abort();
  for (const { closed } of sockets)
    expect(await closed).toEqual({ code: 1001, reason: "the server is closing" });
  expect((await status()).subscribers).toBe(0);
});
