// Bad input of all kinds, at every server: none of it may cost more than its refusal.
// TIDINGS_FUZZ=100000 sends so many bad requests to each; TIDINGS_SEED repeats a run.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { launch } from "../../../../scripts/launch.ts";
import { optionsFor } from "../../../../scripts/options.ts";
import { techniques } from "../../../../scripts/techniques.ts";
import { createRandom } from "@tidings/shared/random";
import { eventually, publish, status } from "../../src/lane.ts";
import {
  badRequest,
  FRAMES,
  HANDSHAKE,
  nearlyJson,
  NO_CREDENTIALS,
  NO_CURSOR_HEADERS,
  NO_CURSORS,
  requestOf,
  type Bad,
} from "./lists.ts";
import { createKnocker, type Answer } from "./raw.ts";

const COUNT = Number(process.env.TIDINGS_FUZZ ?? 2_000);
const CONNECTIONS = 8;
const MIB = 2 ** 20;

// What memory may differ by, from what collectors and allocators do. It is the same for any count,
// so 100,000 requests that left half a kilobyte each would pass it.
const FLAT = 48 * MIB;

setDefaultTimeout(30_000 + COUNT * 20);

const seed = Number(process.env.TIDINGS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const served = techniques.filter(({ pair }) => pair === undefined).map(({ name }) => name);

/** Quick holds, and a window that is soon full: what it keeps is no leak. */
const start = async (name: string, env = {}) =>
  launch(name, {
    env,
    options: await optionsFor(name, { holdMs: 20, maxMessagesPerSecond: 2 ** 30 }),
    feed: { maxEvents: 100 },
    // Nothing that is refused is worth a line in the log: that is for failures of the server's own.
    onLine: (line, stream) => stream === "stderr" && logged.push(`${name}: ${line}`),
  });
const logged: string[] = [];

/** Whatever came, this must hold of the answer. */
const check = (answer: Answer | undefined, { bytes }: Bad) => {
  if (!answer) return;
  const { status: code, headers, body } = answer;
  const asked = JSON.stringify(bytes.toString("latin1").slice(0, 500));
  const said = `seed ${seed}: ${asked} is answered with ${headers} ${body.slice(0, 300)}`;
  if (code >= 500 && code !== 503) throw new Error(said);
  if (/^x-injected/im.test(headers)) throw new Error(`A header was injected. ${said}`);
  // What bun itself refuses has no body; what we refuse has a problem document.
  if (code < 400 || body === "") return;
  if (!/^content-type: application\/problem\+json/im.test(headers)) throw new Error(said);
  if (/\bat .*:\d+:\d+|node_modules|\.ts\b/.test(body))
    throw new Error(`It shows its inside. ${said}`);
};

/** It serves as before, and holds nobody. */
const isWell = async (url: string) => {
  const signal = AbortSignal.timeout(10_000);
  const gone = async () => (await status(url)).subscribers === 0;
  await eventually(gone, { signal, what: "status.subscribers is 0 again" });
  expect((await publish(url, "fuzz.after", 1)).type).toBe("fuzz.after");
};

describe.each(served)("%s", (name) => {
  test("CURSOR-2, ERROR-6: what is no cursor is a 400, in the query and in the header", async () => {
    await using server = await start(name);
    const knocker = createKnocker(server.url);
    const codes = async (requests: Bad[]) => {
      const seen: unknown[] = [];
      for (const request of requests) {
        const answer = await knocker.ask(request);
        check(answer, request);
        seen.push(answer?.status);
      }
      return seen;
    };
    const inQuery = NO_CURSORS.map((cursor) => requestOf(`GET /events?after=${cursor}`, []));
    expect(await codes(inQuery)).toEqual(NO_CURSORS.map(() => 400));
    const inHeader = NO_CURSOR_HEADERS.map((id) =>
      requestOf("GET /events", [`Last-Event-ID: ${id}`]),
    );
    if (name === "sse") expect(await codes(inHeader)).toEqual(NO_CURSOR_HEADERS.map(() => 400));
    knocker.hangUp();
    await isWell(server.url);
  });

  test("AUTH-1, ERROR-5: what is no token is a 401, and is not repeated", async () => {
    const token = "a-token-of-the-kit";
    await using server = await start(name, { TIDINGS_TOKEN: token });
    const knocker = createKnocker(server.url);
    const wrong = [...NO_CREDENTIALS, `Bearer ${token}x`, `Bearer x${token}`, `Basic ${token}`];
    for (const line of ["GET /events?after=0-0", `GET /events?ticket=${token}`, "GET /status"])
      for (const credentials of wrong) {
        const request = requestOf(line, [...HANDSHAKE, `Authorization: ${credentials}`]);
        const answer = await knocker.ask(request);
        check(answer, request);
        expect(answer?.status).toBe(401);
        expect(answer?.body).not.toContain(token);
      }
    knocker.hangUp();
  });

  test(`ERROR-2, STATUS-2: ${COUNT} bad requests leave the server as it was`, async () => {
    await using server = await start(name);
    // Each has a chance of its own: in which order they are answered is not ours to repeat.
    const knockers = Array.from({ length: CONNECTIONS }, (_, n) => ({
      ...createKnocker(server.url),
      random: createRandom(seed + n),
    }));
    const codes = new Map<number | undefined, number>();
    const send = (count: number) =>
      Promise.all(
        knockers.map(async ({ ask, random }) => {
          for (let n = 0; n < count / CONNECTIONS; n++) {
            const bad = badRequest(random);
            const answer = await ask(bad);
            check(answer, bad);
            codes.set(answer?.status, (codes.get(answer?.status) ?? 0) + 1);
          }
        }),
      );
    const rss = async () => Number((await status(server.url)).rssBytes);
    // The first ones make the server as large as it is when it works.
    await send(COUNT / 3);
    const before = await rss();
    await send(COUNT);
    for (const knocker of knockers) knocker.hangUp();
    await isWell(server.url);
    const after = await rss();
    const inMiB = (bytes: number) => (bytes / MIB).toFixed(1);
    const counts = [...codes].sort(([a = 0], [b = 0]) => a - b).map(([code, n]) => `${code}: ${n}`);
    console.log(`${name}, seed ${seed}: ${inMiB(before)} MiB before, ${inMiB(after)} MiB after`);
    console.log(`  ${counts.join(", ")}`);
    // It was refused in many ways, and not only by bun.
    for (const code of [400, 404, 405, 415, 422]) expect(codes.get(code)).toBeGreaterThan(0);
    expect(after - before).toBeLessThan(FLAT);
    expect(logged).toEqual([]);
  });
});

test("WS-7: every message is answered with one frame, whatever it is", async () => {
  await using server = await start("ws");
  const url = `${server.url.replace("http", "ws")}/events?types=fuzz.none`;
  const rss = async () => Number((await status(server.url)).rssBytes);
  let answered = 0;
  const converse = async (count: number, random = createRandom(seed)) => {
    const socket = new WebSocket(url);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let asked = 0;
    const next = () => {
      if (asked++ === count) return resolve();
      const message = random.chance(0.5) ? random.pick(FRAMES) : nearlyJson(random);
      socket.send(random.chance(0.1) ? Buffer.from(message) : message);
    };
    socket.onmessage = ({ data }) => {
      const { type, status: code } = JSON.parse(String(data));
      // The place is told once at the beginning, and then when it is quiet.
      if (type === "heartbeat") return asked === 0 ? next() : undefined;
      const known = type === "pong" || type === "published" || type === "error";
      if (!known || (type === "error" && code >= 500))
        return reject(new Error(`seed ${seed}: ${String(data)}`));
      answered++;
      next();
    };
    socket.onclose = ({ code }) => reject(new Error(`seed ${seed}: closed with ${code}`));
    await promise;
    socket.onclose = null;
    socket.close();
  };
  await converse(COUNT);
  const before = await rss();
  await Promise.all([converse(COUNT), converse(COUNT, createRandom(seed + 1))]);
  expect(answered).toBe(3 * COUNT);
  await isWell(server.url);
  const after = await rss();
  console.log(
    `frames: ${Math.round(before / MIB)} MiB before, ${Math.round(after / MIB)} MiB after`,
  );
  expect(after - before).toBeLessThan(FLAT);
});

test("WS-8, STATUS-2: bytes that are no frames end their socket, and nothing else", async () => {
  const random = createRandom(seed);
  await using server = await start("ws");
  const handshake = requestOf("GET /events", HANDSHAKE);
  const { hostname, port } = new URL(server.url);
  const intrude = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const junk = Buffer.from(Array.from({ length: random.int(1, 200) }, () => random.int(0, 255)));
    await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: (socket) => void socket.write(handshake.bytes),
        // It may wait for the rest of a long frame; then we are the ones to leave.
        data: (socket) => void (socket.write(junk), socket.end()),
        close: () => resolve(),
        error: () => resolve(),
      },
    });
    await promise;
  };
  for (let n = 0; n < Math.min(COUNT, 5_000) / 50; n++)
    await Promise.all(Array.from({ length: 10 }, intrude));
  await isWell(server.url);
  expect(logged).toEqual([]);
});
