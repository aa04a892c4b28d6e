import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { openTap } from "@tidings/tap";
import { dial, echo, greeter, heldBack, listen, pour } from "./sockets.ts";

const MEGABYTE = 2 ** 20;

// Bytes that say where they stand.
const pattern = (length: number) => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(i, i);
  return bytes;
};

test("HTTP goes through unchanged, and both directions are recorded with their time", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) =>
      new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`),
  });
  await using tap = await openTap({ target: `${server.url}base` });
  expect(tap.url).toBe(`http://127.0.0.1:${tap.port}/base`);

  const before = Date.now();
  const answer = await fetch(`${tap.url}/x`, { method: "POST", body: "hello", keepalive: false });
  expect(await answer.text()).toBe("POST /base/x hello");

  await tap.seen("up", "hello");
  await tap.seen("down", "POST /base/x hello");
  expect(tap.connections).toMatchObject({ total: 1, refused: 0 });
  const [open, request] = tap.records;
  expect(open).toMatchObject({ mark: "open", connection: 1 });
  expect(request).toMatchObject({ direction: "up", connection: 1 });
  expect(Buffer.from(request?.bytes ?? []).toString()).toStartWith("POST /base/x HTTP/1.1\r\n");
  const sum = (direction: string) =>
    tap.records.reduce((n, r) => n + (r.direction === direction ? r.bytes.length : 0), 0);
  expect({ up: sum("up"), down: sum("down") }).toEqual(tap.bytes);
  // The wall clock and the monotonic one differ by less than what a clock may be set.
  expect(Math.abs((request?.at ?? 0) - before)).toBeLessThan(60_000);
  expect(tap.records.map(({ at }) => at)).toEqual(tap.records.map(({ at }) => at).toSorted());
  await server.stop(true);
});

test("64 MiB arrive whole in each direction at the same time", async () => {
  const bytes = pattern(64 * MEGABYTE);
  await using server = await echo();
  await using tap = await openTap({ target: server.url, record: false });
  using client = await dial(tap.url);
  client.socket.end(bytes);
  await client.ended;
  const back = client.bytes();
  expect(back.length).toBe(bytes.length);
  expect(Bun.hash(back)).toBe(Bun.hash(bytes));
  expect(tap.bytes).toEqual({ up: bytes.length, down: bytes.length });
  expect(tap.records).toEqual([]);
  await tap.idle();
});

test.each(["up", "down"] as const)(
  "a stall %s holds the sender back, bounded",
  async (direction) => {
    const total = 64 * MEGABYTE;
    let poured = { written: 0 };
    let arrived = 0;
    const count = (bytes: string | Buffer) => (arrived += bytes.length);
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    await using server = await listen((socket) => {
      if (direction === "up") socket.on("data", count);
      else socket.once("data", () => ((poured = pour(socket, total)), ask()));
    });
    await using tap = await openTap({ target: server.url, record: false });
    using client = await dial(tap.url);
    await tap.connected();
    tap.stall(direction);
    if (direction === "up") poured = pour(client.socket, total);
    else {
      client.socket.on("data", count);
      client.socket.write("go");
      await asked;
    }
    // The sender is held back when it has stopped making progress over many turns of the loop.
    await heldBack(() => poured.written);
    expect(poured.written).toBeLessThan(64 * MEGABYTE);
  },
);

test("half-close is passed on: an answer comes after the client has finished", async () => {
  await using server = await listen((socket) => {
    let size = 0;
    socket.on("data", (bytes) => (size += bytes.length));
    socket.on("end", () => socket.end(`got ${size}`));
  });
  await using tap = await openTap({ target: server.url });
  using client = await dial(tap.url);
  client.socket.end("12345");
  await client.ended;
  expect(client.text()).toBe("got 5");
  expect(await client.closed).toBe("closed");
  await tap.idle();
  expect(tap.records.map(({ mark, direction }) => mark && `${mark} ${direction}`)).toEqual([
    "open up",
    undefined,
    "end up",
    undefined,
    "end down",
  ]);
});

test.each(["client", "server"] as const)("a reset by the %s is passed on", async (side) => {
  await using server = await greeter("hi");
  await using tap = await openTap({ target: server.url });
  using client = await dial(tap.url);
  await tap.seen("down", "hi");
  if (side === "client") client.socket.resetAndDestroy();
  else for (const socket of server.sockets) socket.resetAndDestroy();
  if (side === "client") await server.until(() => server.state.ends[0] === "ECONNRESET");
  else expect(await client.closed).toBe("ECONNRESET");
  await tap.idle();
  expect(tap.records.at(-1)).toMatchObject({
    mark: "reset",
    direction: side === "client" ? "up" : "down",
  });
});

test("cut resets both sides, and new connections work", async () => {
  await using server = await greeter("hi");
  await using tap = await openTap({ target: server.url });
  using client = await dial(tap.url);
  await tap.seen("down", "hi");
  tap.cut();
  expect(await client.closed).toBe("ECONNRESET");
  await server.until(() => server.sockets.size === 0);
  expect(server.state.ends).toEqual(["ECONNRESET"]);
  await tap.idle();
  tap.clear();
  using again = await dial(tap.url);
  await tap.seen("down", "hi");
  expect(tap.connections).toEqual({ total: 2, live: 1, refused: 0 });
  expect(again.socket.destroyed).toBeFalse();
});

test("cutAfter cuts in the middle of an event: the receiver has every byte up to the place", async () => {
  const event = 'id: 1-7\ndata: {"type":"a"}\n\n';
  await using server = await greeter(`${event}${event}`);
  await using tap = await openTap({ target: server.url });
  const cut = tap.cutAfter({ text: "data: ", bytes: 3 });
  using client = await dial(tap.url);
  await client.ended;
  await cut;
  expect(client.text()).toBe('id: 1-7\ndata: {"t');
  expect(tap.bytes.down).toBe(client.text().length);
  expect(tap.records.at(-1)).toMatchObject({ mark: "cut", direction: "down" });

  // It was one cut: the next connection gets everything.
  using again = await dial(tap.url);
  await again.received(event + event);
});

test("cutAfter finds a text that comes byte by byte, and counts from now on", async () => {
  await using server = await echo();
  await using tap = await openTap({ target: server.url });
  using client = await dial(tap.url);
  client.socket.write("needle");
  await tap.seen("down", "needle");
  const cut = tap.cutAfter({ text: "needle", bytes: 2, how: "reset" });
  for (const [i, letter] of [..."needneedle123"].entries()) {
    const echoed = tap.until(() => tap.bytes.down >= Math.min(6 + i + 1, 6 + 12));
    client.socket.write(letter);
    await echoed;
  }
  await cut;
  expect(await client.closed).toBe("ECONNRESET");
  expect(tap.bytes.down).toBe("needle".length + "needneedle12".length);
});

test("cutAfter with times cuts as many connections, each at its own place", async () => {
  await using server = await greeter("0123456789");
  await using tap = await openTap({ target: server.url });
  const cut = tap.cutAfter({ bytes: 4, times: 2 });
  for (const expected of ["0123", "0123"]) {
    using client = await dial(tap.url);
    await client.ended;
    expect(client.text()).toBe(expected);
  }
  await cut;
  using third = await dial(tap.url);
  await third.received("0123456789");
});

test("cutAfter cuts an upload as well", async () => {
  await using server = await greeter("");
  await using tap = await openTap({ target: server.url });
  const cut = tap.cutAfter({ direction: "up", text: "POST" });
  using client = await dial(tap.url);
  client.socket.write("POST / HTTP/1.1\r\n");
  await cut;
  await client.ended;
  await server.until(() => server.state.ends.length > 0);
  expect(server.state).toEqual({ heard: "POST", ends: ["end"] });
});

test("delay holds every byte and the end back, and loses none", async () => {
  await using server = await echo();
  await using tap = await openTap({ target: server.url });
  tap.delay(60);
  const bytes = pattern(4 * MEGABYTE);
  using client = await dial(tap.url);
  const start = performance.now();
  client.socket.end(bytes);
  await client.ended;
  // Once up and once down; a bound from below only, so a slow machine cannot break it.
  expect(performance.now() - start).toBeGreaterThanOrEqual(120);
  expect(Bun.hash(client.bytes())).toBe(Bun.hash(bytes));
});

test("throttle bounds the rate, and Infinity ends it", async () => {
  await using server = await greeter("x".repeat(20_000));
  await using tap = await openTap({ target: server.url });
  tap.throttle(100_000);
  using client = await dial(tap.url);
  await tap.until(() => tap.bytes.down === 20_000);
  const down = tap.records.filter(({ direction, mark }) => direction === "down" && !mark);
  const tookMs = (down.at(-1)?.at ?? 0) - (down[0]?.at ?? 0);
  // 200 ms by the rate, less the first two slices, which may leave at once.
  expect(tookMs).toBeGreaterThan(100);
  expect(Math.max(...down.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(2_000);

  tap.throttle(1);
  for (const socket of server.sockets) socket.write("y".repeat(100_000));
  tap.throttle(Infinity);
  await tap.until(() => tap.bytes.down === 120_000);
  expect(client.socket.destroyed).toBeFalse();
});

test("halfOpen swallows everything and tells neither side of the other's end", async () => {
  await using server = await greeter("hi");
  await using tap = await openTap({ target: server.url });
  const client = await dial(tap.url);
  await tap.seen("down", "hi");
  const [socket] = server.sockets;
  tap.halfOpen();
  client.socket.write("lost");
  socket?.write("lost");

  // A new connection is a good one; when its bytes are through, the old one's would be.
  using second = await dial(tap.url);
  second.socket.write("ping");
  await server.until(() => server.state.heard === "ping");
  expect(client.text()).toBe("hi");

  client.socket.destroy();
  await client.closed;
  second.socket.write("pong");
  await server.until(() => server.state.heard === "pingpong");
  expect(server.state.ends).toEqual([]);
  expect(socket?.destroyed).toBeFalse();
});

test("a fault for new connections leaves the live ones alone", async () => {
  await using server = await greeter("hi");
  await using tap = await openTap({ target: server.url });
  using live = await dial(tap.url);
  await tap.seen("down", "hi");
  tap.halfOpen({ on: "new" });
  using dead = await dial(tap.url);
  await tap.connected(2);
  live.socket.write("still here");
  await tap.seen("up", "still here");
  expect(tap.bytes.down).toBe(2);
  expect(dead.text()).toBe("");

  tap.heal();
  using fresh = await dial(tap.url);
  await fresh.received("hi");
  expect(tap.bytes.down).toBe(4);
});

test("refuse resets new connections, accept takes them again", async () => {
  await using server = await greeter("hi");
  await using tap = await openTap({ target: server.url });
  using before = await dial(tap.url);
  await tap.connected();
  tap.refuse();
  expect(fetch(tap.url)).rejects.toThrow();
  using refused = await dial(tap.url);
  expect(await refused.closed).toBe("ECONNRESET");
  await tap.until(() => tap.connections.refused > 1);
  expect(before.socket.destroyed).toBeFalse();
  tap.accept();
  using after = await dial(tap.url);
  await tap.connected(2);
  expect(after.socket.destroyed).toBeFalse();
});

test("a target that is away resets the client; retarget finds it on another port", async () => {
  const gone = await echo();
  await gone[Symbol.asyncDispose]();
  await using tap = await openTap({ target: gone.url });
  using lost = await dial(tap.url);
  expect(await lost.closed).toBe("ECONNRESET");
  expect(tap.connections).toMatchObject({ total: 0, refused: 1 });

  await using server = await greeter("here");
  const { url } = tap;
  tap.retarget(server.url);
  expect(tap.url).toBe(url);
  using found = await dial(tap.url);
  await tap.seen("down", "here");
});

test("seen looks into the past and the future, across chunks, connection by connection", async () => {
  await using server = await echo();
  await using tap = await openTap({ target: server.url });
  using one = await dial(tap.url);
  using two = await dial(tap.url);
  await tap.connected(2);
  let seen = false;
  const word = tap.seen("down", "hello").then(() => (seen = true));
  one.socket.write("hel");
  await tap.seen("down", "hel");
  two.socket.write("lo!");
  await tap.seen("down", "lo!");
  expect(seen).toBeFalse();
  one.socket.write("lo");
  await word;
  await tap.seen("down", "hello");
  tap.clear();
  expect(tap.records).toEqual([]);
});

test("records are bounded, in bytes and in number, and the newest stay", async () => {
  await using server = await echo();
  await using tap = await openTap({ target: server.url, maxRecordBytes: 100_000 });
  using client = await dial(tap.url);
  client.socket.write(Buffer.alloc(4 * MEGABYTE, "x"));
  await tap.until(() => tap.bytes.down === 4 * MEGABYTE);
  const size = () => tap.records.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(size()).toBeLessThanOrEqual(100_000);
  for (let i = 1; i <= 2_000; i++) {
    client.socket.write("y");
    await tap.until(() => tap.bytes.down === 4 * MEGABYTE + i);
  }
  expect(tap.records.length).toBeLessThan(1_000);
  expect(tap.records.length).toBeGreaterThan(100);
  client.socket.write("the end");
  await tap.seen("down", "the end");
});

test("hundreds of connections, however they end, leave no file descriptor", async () => {
  await using server = await greeter("hi");
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  const tap = await openTap({ target: server.url });
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => dial(tap.url)));
    await tap.connected(100 * (round + 1));
    if (round === 0) tap.cut();
    if (round === 1) tap.cut({ how: "close" });
    if (round === 2) tap.halfOpen();
    for (const { socket } of clients) {
      if (round === 3) socket.end();
      else if (round === 4) socket.resetAndDestroy();
      else if (round !== 0) socket.end();
    }
    if (round === 3) for (const socket of server.sockets) socket.end();
    if (round !== 2) await Promise.all(clients.map(({ closed }) => closed));
    else for (const { socket } of clients) socket.destroy();
  }
  await tap.close();
  expect(tap.connections.live).toBe(0);
  await server.until(() => server.sockets.size === 0);
  expect(open()).toBe(before);
  expect(fetch(tap.url)).rejects.toThrow();
});

test("closing the tap rejects what waits for it", async () => {
  await using server = await echo();
  const tap = await openTap({ target: server.url });
  const waits = [tap.connected(), tap.seen("down", "x"), tap.cutAfter({ bytes: 1 })];
  await tap.close();
  for (const wait of waits) expect(wait).rejects.toThrow("closed before it happened");
  expect(tap.connected()).rejects.toThrow("closed before it happened");
  await tap.close();
});

test("mistakes name the option and the cure", async () => {
  expect(openTap({ target: "127.0.0.1:80" })).rejects.toThrow("target: must be a URL");
  expect(openTap({ target: "tcp://localhost" })).rejects.toThrow("target: must be a URL");
  await using server = await echo();
  await using tap = await openTap({ target: server.url });
  expect(() => tap.delay(-1)).toThrow("delayMs: must be a number of at least 0");
  expect(() => tap.throttle(NaN)).toThrow("bytesPerSecond: must be a number of at least 1");
  expect(() => tap.cutAfter({ bytes: -1 })).toThrow("bytes: must be");
  expect(openTap({ target: server.url, port: tap.port })).rejects.toThrow(`${tap.port} is taken`);
});
