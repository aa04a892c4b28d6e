// How subscribers read and come back, with a server that is told each byte.
import { afterEach, expect, spyOn, test } from "bun:test";
import { turn } from "@tidings/shared/random";
import type { Socket } from "bun";
import { Connection, Connections } from "../src/load/connection.ts";
import { crowdOf } from "../src/load/crowd-of.ts";
import { Poll } from "../src/load/lanes/poll.ts";
import { Stream } from "../src/load/lanes/stream.ts";
import { WebSocketLine } from "../src/load/lanes/web-socket.ts";
import { stamped } from "../src/load/stamp.ts";
import { Tally } from "../src/load/tally.ts";
import type { Site } from "../src/load/wire.ts";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const behaviour = { pollMs: 1_000, backOffMs: 0, seed: 1, subscribers: 1 };

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

/** One subscriber of an event stream, and the server's end of its connection. */
const stream = async (count: number) => {
  let connected = Promise.withResolvers<{ socket: Socket; request: string }>();
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, request) {
        socket.setNoDelay(true);
        socket.write(HEAD);
        connected.resolve({ socket, request: `${request}` });
      },
    },
  });
  const url = `http://127.0.0.1:${listener.port}`;
  const crowd = crowdOf({ ...behaviour, url, wire: { kind: "stream", path: "/events" } });
  crowd.tally = new Tally(1, { first: 0, count, perSecond: 1, startAt: 0, seed: 1 }, 0);
  open.push({
    async [Symbol.asyncDispose]() {
      await crowd.close();
      listener.stop(true);
    },
  });
  await crowd.open(0, 1);
  let { socket } = await connected.promise;
  let sent = HEAD.length;
  return {
    crowd,
    /** Resolves when the subscriber has read it. */
    async send(piece: string) {
      socket.write(piece);
      sent += piece.length;
      while (crowd.traffic.bytesOut < sent) await turn();
    },
    /** Cuts the connection, and gives the request with which the subscriber comes back. */
    async cut(): Promise<string> {
      connected = Promise.withResolvers();
      socket.terminate();
      const next = await connected.promise;
      socket = next.socket;
      sent += HEAD.length;
      while (crowd.traffic.bytesOut < sent) await turn();
      return next.request;
    },
  };
};

const message = (number: number) => `id: c-${number}\ndata: {"data":"${stamped(number, 20)}"}\n\n`;

test("an event counts when its message is whole, wherever the network cuts it", async () => {
  const { length } = message(0);
  const { crowd, send } = await stream(length);
  for (let cut = 1; cut < length; cut++) {
    await send(message(cut - 1).slice(0, cut));
    expect(crowd.tally).toMatchObject({ delivered: cut - 1, doubled: 0 });
    // The end of a transfer's chunk may follow, and its beginning may come before the next one.
    await send(`${message(cut - 1).slice(cut)}${cut % 2 ? "\r\n4a\r\n" : ""}`);
    expect(crowd.tally).toMatchObject({ delivered: cut, doubled: 0 });
  }
});

test("a cut stream resumes after the last event that came whole", async () => {
  const { send, cut } = await stream(100);
  const ask = `Last-Event-ID: c-`;
  await send(message(0));
  for (let at = 1; at < message(1).length; at++) {
    // Neither a part of a message nor what says nothing hides the cursor.
    await send(message(2 * at - 1));
    await send(":\n\n");
    await send(message(2 * at).slice(0, at));
    expect(await cut()).toContain(`${ask}${2 * at - 1}\r\n`);
    await send(message(2 * at).slice(0, at));
    await send(message(2 * at).slice(at));
    expect(await cut()).toContain(`${ask}${2 * at}\r\n`);
  }
  // Of heartbeats and of first messages too, and wherever in its message the id stands.
  await send("id: c-head\n\n");
  expect(await cut()).toContain(`${ask}head\r\n`);
  await send(`data: ${stamped(99, 10)}\nid: c-tail\n\n:\n\n`);
  expect(await cut()).toContain(`${ask}tail\r\n`);
});

class Silent extends Connection {
  greet() {}
  receive() {}
}

const pausesOf = async (act: () => void): Promise<readonly number[]> => {
  using timers = spyOn(globalThis, "setTimeout");
  timers.mockImplementation(((): Timer => ({}) as Timer) as unknown as typeof setTimeout);
  act();
  return timers.mock.calls.map(([, ms]) => ms ?? 0);
};

const siteOf = (site: Partial<Site>): Site => ({
  ...behaviour,
  backOffMs: 250,
  url: "http://127.0.0.1:1",
  wire: { kind: "poll", path: "/", held: false, cursor: "query" },
  ...site,
});

test("the pauses before a subscriber comes back are its own, and the same in each run", async () => {
  const luck = (seed: number, index: number) => {
    const crowd = new Connections(siteOf({ seed }), (...subscriber) => new Silent(...subscriber));
    const subscriber = new Silent(crowd, index);
    return pausesOf(() => {
      for (let failure = 0; failure < 4; failure++) subscriber.closed();
    });
  };
  const pauses = await luck(1, 0);
  pauses.forEach((ms, failure) => expect(ms).toBeWithin(0, 250 * 2 ** failure));
  expect(await luck(1, 0)).toEqual(pauses);
  expect(await luck(1, 1)).not.toEqual(pauses);
  expect(await luck(2, 0)).not.toEqual(pauses);
});

test("polls are as far apart as is said, on average, and the first are spread", async () => {
  const body = '{"events":[],"cursor":"5"}';
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const luck = (index: number) => {
    const wire = { kind: "poll", path: "/", held: false, cursor: "query" } as const;
    const crowd = new Connections(siteOf({ wire }), (...one) => new Poll(wire, ...one));
    const poll = new Poll(wire, crowd, index);
    return pausesOf(() => {
      for (let answers = 0; answers < 200; answers++) poll.received(answer);
    });
  };
  const [first = 0, ...others] = await luck(0);
  expect(first).toBeWithin(0, 1_000);
  for (const ms of others) expect(ms).toBeWithin(900, 1_100);
  expect(others.reduce((a, b) => a + b) / others.length).toBeWithin(990, 1_010);
  expect(await luck(0)).toEqual([first, ...others]);
  expect((await luck(1))[0]).not.toBe(first);
});

class Talker extends WebSocketLine {
  readonly said: string[] = [];

  protected override say(bytes: string | Uint8Array) {
    // Without the two bytes of a header and the four of a mask.
    if (typeof bytes !== "string")
      this.said.push(`${(bytes[0] ?? 0) & 0x0f} ${Buffer.from(bytes.subarray(6))}`);
  }
}

test("frames of a WebSocket are told apart, wherever the network cuts them", () => {
  const frame = (opcode: number, payload: string) => {
    const head = Buffer.from([0x80 | opcode, payload.length]);
    if (payload.length < 126) return Buffer.concat([head, Buffer.from(payload)]);
    head[1] = 126;
    const longer = Buffer.alloc(2);
    longer.writeUInt16BE(payload.length);
    return Buffer.concat([head, longer, Buffer.from(payload)]);
  };
  const TEXT = 1;
  const event = (number: number, length: number) =>
    frame(TEXT, `42["event","${stamped(number, length - 14)}"]`);
  const bytes = Buffer.concat([
    Buffer.from("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    frame(TEXT, '0{"sid":"x"}'),
    frame(TEXT, "40"),
    // A ping of Engine.IO's, with another frame at its heels, and one of the protocol's.
    frame(TEXT, "2"),
    event(0, 126),
    frame(9, "still there"),
    // The header of this one reads `~n(`.
    event(1, 28_200),
    frame(TEXT, "2"),
  ]);
  const wire = { kind: "ws", path: "/", live: "socket.io" } as const;
  const schedule = { first: 0, count: 2, perSecond: 1, startAt: 0, seed: 1 };
  for (let cut = 0; cut < bytes.length; cut += cut < 400 ? 1 : 997) {
    const crowd = new Connections(siteOf({ wire }), (...one) => new Talker("/", wire.live, ...one));
    crowd.tally = new Tally(1, schedule, 0);
    const talker = new Talker("/", wire.live, crowd, 0);
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) talker.received(piece);
    expect(talker.said.join("; ")).toBe("1 40; 1 3; 10 still there; 1 3");
    expect([crowd.tally.delivered, crowd.tally.doubled]).toEqual([2, 0]);
  }
});

type Subscriber = ConstructorParameters<typeof Connection>;

/** How each technique's subscriber is told events. */
const lanes = {
  stream: {
    create: (...one: Subscriber) => new Stream("/", ...one),
    head: HEAD,
    tell: (events: string[]) => Buffer.from(events.map((event) => `data: ${event}\n\n`).join("")),
  },
  ws: {
    create: (...one: Subscriber) => new WebSocketLine("/", "handshake", ...one),
    head: "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    tell: (events: string[]) =>
      Buffer.concat(
        events.map((text) =>
          Buffer.from(`\x81${String.fromCharCode(text.length)}${text}`, "latin1"),
        ),
      ),
  },
  poll: {
    create: (...one: Subscriber) =>
      new Poll({ kind: "poll", path: "/", held: true, cursor: "query" }, ...one),
    head: "",
    tell(events: string[]) {
      const body = `{"events":[${events.join()}],"cursor":"c-1"}`;
      return Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    },
  },
};

const handed = ({ create, head, tell }: (typeof lanes)[keyof typeof lanes], perSecond = 1) => {
  const crowd = new Connections(siteOf({}), (...one) => new Silent(...one));
  const [first, second] = [create(crowd, 0), create(crowd, 1)];
  for (const one of [first, second]) one.received(Buffer.from(head));
  crowd.tally = new Tally(2, { first: 0, count: 9, perSecond, startAt: 0, seed: 1 }, 0);
  const events = (...numbers: number[]) =>
    tell(numbers.map((number) => `{"data":"${stamped(number, 20)}"}`));
  return { tally: crowd.tally, first, second, events };
};

test.each(Object.entries(lanes))(
  "%s: what one was told is not read anew for another",
  (_, lane) => {
    const { tally, first, second, events } = handed(lane);
    const given = () => [
      tally.delivered,
      tally.doubled,
      [...tally.completeAt].map(Number.isFinite),
    ];
    const both = (...numbers: number[]) => Array.from({ length: 9 }, (_, n) => numbers.includes(n));
    // Each has what it was told, and what is told twice came twice.
    for (const one of [first, second]) one.received(events(0, 1, 2));
    expect(given()).toEqual([6, 0, both(0, 1, 2)]);
    second.received(events(0, 1, 2));
    expect(given()).toEqual([6, 3, both(0, 1, 2)]);
    // As long, and another number in the middle.
    first.received(events(3, 4, 5));
    second.received(events(3, 6, 5));
    expect(given()).toEqual([12, 3, both(0, 1, 2, 3, 5)]);
    // What was cut elsewhere is the same in the end; what has come of an event is none.
    const whole = events(7, 8);
    first.received(whole);
    for (let cut = 1; cut < whole.length; cut++) {
      const { tally, first, second } = handed(lane);
      first.received(Buffer.from(whole));
      second.received(whole.subarray(0, cut));
      const early = tally.delivered;
      second.received(whole.subarray(cut));
      second.received(Buffer.from(whole));
      expect([early < 4, tally.delivered, tally.doubled]).toEqual([true, 4, 2]);
    }
  },
);

test("a piece that the runtime hands over is not written over by the next one", async () => {
  const { crowd, send } = await stream(50);
  for (let number = 0; number < 50; number++) await send(message(number));
  expect(crowd.tally).toMatchObject({ delivered: 50, doubled: 0 });
});

test("where much comes, a worker rests once after what it has read, and else never", async () => {
  using wait = spyOn(Atomics, "wait");
  wait.mockImplementation(() => "timed-out");
  for (const [perSecond, rests] of [
    [10_000, 0],
    [30_000, 2],
  ] as const) {
    wait.mockClear();
    const { first, second, events } = handed(lanes.stream, perSecond);
    for (const number of [0, 1]) {
      for (const one of [first, second]) one.received(events(number));
      await turn();
    }
    expect(wait).toHaveBeenCalledTimes(rests);
  }
});
