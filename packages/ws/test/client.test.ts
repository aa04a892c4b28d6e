import type { Note } from "@tidings/shared/client";
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { subscribe } from "../src/client.ts";
import { comesBack } from "../src/wire.ts";

/** A server that speaks no WebSocket. */
const plain = (answer: (request: Request) => Response) => {
  let asked = 0;
  const made = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      asked++;
      return answer(request);
    },
  });
  return { url: made.url, asked: () => asked, [Symbol.dispose]: () => void made.stop(true) };
};

/** Why the client gave up, or why it would have come back. */
const endOf = async (url: URL, options = {}): Promise<unknown> => {
  const leaving = new AbortController();
  let reason = "";
  try {
    for await (const _ of subscribe(url, {
      ...options,
      signal: leaving.signal,
      onNote: (note) => {
        if (note.kind !== "retry") return;
        reason = note.reason;
        leaving.abort();
      },
    }));
  } catch (error) {
    return error;
  }
  return reason;
};

test("WS-12: a server that answers a plain GET speaks no WebSocket, and that is final", async () => {
  // The answer never ends, as a server of event streams gives it.
  const body = () => new ReadableStream({ start: (out) => out.enqueue("retry: 1\n\n") });
  using server = plain(() => new Response(body()));
  expect(await endOf(server.url)).toMatchObject({ name: "Refusal", status: 200, final: true });
});

describe("the table of close codes in SPEC.md", async () => {
  const spec = await Bun.file(`${import.meta.dir}/../../../SPEC.md`).text();
  // One row: `| 1012, 1013 | restarting; … | yes |`. A range stands for its ends.
  const table = [...spec.matchAll(/^\| ([\d, –]+?) +\| .+ \| (yes|no) +\|$/gm)].flatMap(
    ([, codes = "", back = ""]) => codes.split(/, |–/).map((code) => [Number(code), back] as const),
  );

  test("WS-12: has an answer to each code that the client may see", () => {
    expect(table.length).toBeGreaterThan(12);
    for (const [code, back] of table)
      expect({ code, back: comesBack(code) ? "yes" : "no" }).toEqual({ code, back });
  });

  // What a protocol error or a broken line looks like is no code that a server may send.
  const sendable = table.filter(([code]) => ![1002, 1005, 1006, 1007, 1010, 1015].includes(code));
  test.each(sendable)("WS-12: closed with %d, the client comes back: %s", async (code, back) => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, self) =>
        self.upgrade(request) ? undefined : new Response(null, { status: 426 }),
      websocket: { open: (socket) => socket.close(code, "as the test says"), message() {} },
    });
    const end = await endOf(server.url, { minRetryMs: 60_000 });
    const said = `The socket was closed with ${code}: as the test says.`;
    if (back === "yes") expect(end).toBe(said);
    // Done as agreed is no failure, so nothing is thrown.
    else if (code === 1000) expect(end).toBe("");
    else expect(end).toMatchObject({ name: "Refusal", message: said, final: true });
  });
});

test("WS-12: a server that says 426 speaks it, so the client comes back", async () => {
  using server = plain(() => new Response(null, { status: 426 }));
  expect(await endOf(server.url)).toContain("1006");
});

test("CLIENT-5: the question why has its own time-out", async () => {
  // Refuses the handshake at once, and never answers the question.
  const never = Promise.withResolvers<Response>();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      request.headers.has("upgrade") ? new Response(null, { status: 503 }) : never.promise,
  });
  expect(await endOf(server.url, { silenceMs: 50 })).toBe("The server does not answer.");
  never.resolve(new Response());
});

test("CLIENT-6: an abort ends the socket, although the server never answers its close", async () => {
  const made = createServer((socket) => {
    socket.once("data", (request) => {
      const key = /^sec-websocket-key: (.+)\r$/im.exec(`${request}`)?.[1];
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: tidings.v1\r\nSec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
      );
    });
  });
  made.listen(0, "127.0.0.1");
  await once(made, "listening");
  const address = made.address();
  if (address === null || typeof address === "string") throw new Error("It has no port.");
  const leaving = new AbortController();
  const connected: Promise<Socket[]> = once(made, "connection");
  const url = `http://127.0.0.1:${address.port}`;
  const onNote = ({ kind }: Note) => {
    if (kind === "open") leaving.abort();
  };
  for await (const _ of subscribe(url, { signal: leaving.signal, onNote }));
  const [socket] = await connected;
  if (socket && !socket.closed) await once(socket, "close");
  made.close();
});

/** A server of so many events, which it sends all at once; `left` resolves when a client has left it. */
const sending = (count: number) => {
  const afters: (string | null)[] = [];
  const left = Promise.withResolvers<void>();
  const made = Bun.serve<{ after: string | null }, never>({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, self) {
      const after = new URL(request.url).searchParams.get("after");
      return self.upgrade(request, { data: { after } })
        ? undefined
        : new Response(null, { status: 426 });
    },
    websocket: {
      open(socket) {
        const { after } = socket.data;
        afters.push(after);
        for (let n = Number(after?.slice(2) ?? 0) + 1; n <= count; n++)
          socket.send(JSON.stringify({ id: `1-${n}`, type: "a", time: "", data: null }));
      },
      close: () => left.resolve(),
      message() {},
    },
  });
  const { url } = made;
  return { url, afters, left: left.promise, [Symbol.dispose]: () => void made.stop(true) };
};

test("CLIENT-1, CLIENT-6: an abort hangs up at once, and nothing that waits is yielded", async () => {
  using server = sending(100);
  const leaving = new AbortController();
  const got: string[] = [];
  for await (const { id } of subscribe(server.url, { signal: leaving.signal })) {
    got.push(id);
    leaving.abort();
    await server.left;
  }
  expect(got).toEqual(["1-1"]);
});

test("CLIENT-6: an abort before there is a socket makes none", async () => {
  using server = sending(0);
  const leaving = new AbortController();
  const onNote = () => leaving.abort();
  for await (const _ of subscribe(server.url, { signal: leaving.signal, onNote }));
  expect(server.afters).toEqual([]);
});

test("CLIENT-1: with more than `maxWaiting` frames it hangs up at once, and resumes", async () => {
  using server = sending(50);
  const got: string[] = [];
  const options = { maxWaiting: 5, minRetryMs: 10, maxRetryMs: 10 };
  for await (const { id } of subscribe(server.url, options)) {
    if (got.push(id) === 1) await server.left;
    if (id === "1-50") break;
  }
  expect(got).toEqual(Array.from({ length: 50 }, (_, n) => `1-${n + 1}`));
  expect(server.afters.length).toBeGreaterThan(1);
});

test("an error of the caller's own at the request is the caller's", async () => {
  const onNote = ({ kind }: Note) => {
    if (kind === "request") throw new Error("my own");
    throw new Error("taken for a failure");
  };
  await expect(subscribe("http://localhost", { onNote }).next()).rejects.toThrow("my own");
});
