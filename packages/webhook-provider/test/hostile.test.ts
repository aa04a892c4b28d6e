import { describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import type { Options } from "../src/server.ts";
import { startProvider } from "./provider.ts";
import { rawServer } from "./raw.ts";

// Tests wait for events, not for time; a slow machine may take its own. The provider's clock moves
// only when a test moves it.
setDefaultTimeout(60_000);

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 16_384;

type Provider = ReturnType<typeof startProvider>;

/** Publishes an event to an endpoint; once `meanwhile` has passed, returns how the attempt went. */
const attempted = async (
  url: string,
  meanwhile: (provider: Provider, noAttempt: () => Promise<void>) => unknown = () => {},
  options: Partial<Options> = {},
) => {
  await using provider = startProvider({ scheduleScale: 1, ...options });
  const { id } = await provider.register({ url });
  const ended = (list: { attempts: unknown[] }[]) => list[0]?.attempts.length === 1;
  jest.useFakeTimers();
  try {
    await provider.publish("a.b", "é");
    await meanwhile(provider, async () => {
      await provider.deliveries(id, (list) => !ended(list));
    });
    const [delivery] = await provider.deliveries(id, ended);
    return { state: delivery!.state, ...delivery!.attempts[0]! };
  } finally {
    jest.useRealTimers();
  }
};

/** Lets the provider's time-out pass: not a millisecond early. */
const timeOut = async (noAttempt: () => Promise<void>, passedMs = 0) => {
  jest.advanceTimersByTime(TIMEOUT_MS - passedMs - 1);
  await noAttempt();
  jest.advanceTimersByTime(1);
};

const late = {
  state: "waiting",
  status: null,
  error: `There was no whole answer within ${TIMEOUT_MS} ms.`,
  ms: TIMEOUT_MS,
} as const;

/** The first bytes of the request. */
const request = (socket: Socket) =>
  new Promise<string>((resolve) => socket.once("data", (data) => resolve(`${data}`)));

describe("PROVIDER-10: the time is for the whole exchange:", () => {
  test("a name that does not resolve", async () => {
    const asked = Promise.withResolvers<void>();
    let registered = false;
    const resolve = async () => {
      if (!registered) {
        registered = true;
        return ["127.0.0.1"];
      }
      asked.resolve();
      return new Promise<string[]>(() => {});
    };
    const attempt = await attempted(
      "http://slow.example:1/",
      async (_, noAttempt) => {
        await asked.promise;
        await timeOut(noAttempt);
      },
      { resolve },
    );
    expect(attempt).toMatchObject(late);
  });

  // The kernel's own table is what shows that a connection is still being made.
  test.skipIf(process.platform !== "linux")("a connection that is never taken", async () => {
    // A stopped process takes no connections; those that its queue holds are made by the kernel.
    const listener = Bun.spawn(
      [process.execPath, "--no-orphans", `${import.meta.dir}/listener.ts`],
      {
        stdout: "pipe",
      },
    );
    const { value } = await listener.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    listener.kill("SIGSTOP");
    const hex = port.toString(16).toUpperCase().padStart(4, "0");
    // Connections to it that stand (01), and those that are being made (02, SYN_SENT).
    const count = async () => {
      const table = await Bun.file("/proc/net/tcp").text();
      const [made = 0, making = 0] = ["01", "02"].map(
        (state) => table.split(`:${hex} ${state} `).length - 1,
      );
      return { all: made + making, making };
    };
    const fillers: Socket[] = [];
    const fill = async () => {
      for (let i = 0; i < 100; i++)
        fillers.push(connect({ port, host: "127.0.0.1" }).on("error", () => {}));
      for (;;) {
        const { all, making } = await count();
        if (all === fillers.length) return making;
      }
    };
    try {
      let before = 0;
      while (before === 0) before = await fill();
      const attempt = await attempted(`http://127.0.0.1:${port}/`, async (_, noAttempt) => {
        while ((await count()).making === before);
        await timeOut(noAttempt);
      });
      expect(attempt).toMatchObject(late);
      while ((await count()).making > before);
    } finally {
      for (const filler of fillers) filler.destroy();
      listener.kill("SIGKILL");
      await listener.exited;
    }
  });

  test("a TLS handshake that stalls", async () => {
    const hello = Promise.withResolvers<void>();
    await using server = await rawServer((socket) => socket.once("data", () => hello.resolve()));
    const attempt = await attempted(`https://127.0.0.1:${server.port}/`, async (_, noAttempt) => {
      await hello.promise;
      await timeOut(noAttempt);
    });
    expect(attempt).toMatchObject(late);
  });

  // What is sent when the request has come, and from then on with every second.
  for (const [what, beginning, drip] of [
    ["an answer that does not begin", "", ""],
    ["headers that never end", "HTTP/1.1 200 OK\r\n", ""],
    ["headers that drip", "HTTP/1.1 200 OK\r\n", "X-A: b\r\n"],
    ["headers that drip byte by byte", "HTTP/1.1 200 OK\r\nX-A: ", "b"],
    ["answers before the answer that never end", "", "HTTP/1.1 102 Processing\r\n\r\n"],
    ["a body that never ends", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ""],
    ["a body that drips byte by byte", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "x"],
    ["chunks that drip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"],
    ["a body without a length that drips", "HTTP/1.1 200 OK\r\n\r\n", "x"],
  ] as const)
    test(what, async () => {
      const asked = Promise.withResolvers<Socket>();
      const closed = Promise.withResolvers<void>();
      await using server = await rawServer((socket) => {
        socket.on("close", () => closed.resolve());
        void request(socket).then(() => asked.resolve(socket));
      });
      const attempt = await attempted(server.url, async (_, noAttempt) => {
        const socket = await asked.promise;
        socket.write(beginning);
        for (let s = 1; s < 15; s++) {
          jest.advanceTimersByTime(1_000);
          // Sent, before the clock goes on.
          if (drip) await new Promise((resolve) => socket.write(drip, resolve));
          await noAttempt();
        }
        await timeOut(noAttempt, 14_000);
      });
      expect(attempt).toMatchObject(late);
      await closed.promise;
    });
});

/** The answer of a receiver that sends these bytes when the request has come, and then may end. */
const answer = async (bytes: string | Uint8Array, end = true) => {
  const asked = Promise.withResolvers<void>();
  await using server = await rawServer((socket) => {
    void request(socket).then(() => {
      asked.resolve();
      if (end) socket.end(bytes);
      else socket.write(bytes);
    });
  });
  return await attempted(server.url, () => asked.promise);
};

describe("PROVIDER-10: what a receiver answers is read, up to a bound:", () => {
  test("of a gigabyte 16 KiB, then the connection is cut, and memory stays", async () => {
    const gigabyte = 2 ** 30;
    const chunk = Buffer.alloc(65_536, "x");
    const closed = Promise.withResolvers<void>();
    let sent = 0;
    await using server = await rawServer((socket) => {
      const pour = () => {
        for (; socket.writable && sent < gigabyte; sent += chunk.length)
          if (!socket.write(chunk)) return;
      };
      socket.on("drain", pour).on("close", () => closed.resolve());
      void request(socket).then(() => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${gigabyte}\r\n\r\n`);
        pour();
      });
    });
    const before = process.memoryUsage.rss();
    const attempt = await attempted(server.url);
    await closed.promise;
    expect(attempt).toMatchObject({ state: "delivered", status: 200, error: null });
    expect(attempt.answer).toBe("x".repeat(MAX_ANSWER_BYTES));
    // What the kernel holds on both sides, and no more than that.
    expect(sent).toBeLessThan(2 ** 26);
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 27);
  });

  test("a gzip bomb is not inflated", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(2 ** 24));
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`;
    const attempt = await answer(Buffer.concat([Buffer.from(head), bomb]));
    expect(attempt).toMatchObject({ state: "delivered", status: 200 });
    expect(attempt.answer).toBe(new TextDecoder().decode(bomb.subarray(0, MAX_ANSWER_BYTES)));
  });

  test("a header of 16 MiB is a failure", async () => {
    const attempt = await answer(`HTTP/1.1 200 OK\r\nX-A: ${"b".repeat(2 ** 24)}\r\n\r\n`, false);
    expect(attempt).toMatchObject({ state: "waiting", status: null });
    expect(attempt.error).toMatch(/./);
  });

  test("a hundred thousand headers are a failure", async () => {
    const attempt = await answer(`HTTP/1.1 200 OK\r\n${"X-A: b\r\n".repeat(100_000)}\r\n`, false);
    expect(attempt).toMatchObject({ state: "waiting", status: null });
    expect(attempt.error).toMatch(/./);
  });
});

describe("PROVIDER-9: a whole answer of 2xx is success, and nothing else is:", () => {
  for (const [what, bytes] of [
    ["nothing at all", ""],
    ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["bytes without a sense", "\0\x01\x02\x03\r\n\r\n"],
    ["a page without a head", "<html>200 OK</html>"],
    ["a version that is none", "HTTP/x.y 200 OK\r\n\r\n"],
    ["a status that is none", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"],
    ["a head that breaks off", "HTTP/1.1 200 OK\r\nContent-Le"],
    ["a body that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"],
    ["chunks that break off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"],
    ["chunks without a sense", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"],
    ["a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 0\r\n\r\n"],
    ["an answer before the answer, alone", "HTTP/1.1 100 Continue\r\n\r\n"],
  ] as const)
    test(what, async () => {
      const attempt = await answer(bytes);
      expect(attempt).toMatchObject({ state: "waiting", status: null });
      expect(attempt.error).toMatch(/./);
    });

  test("a change of the protocol is none", async () => {
    const bytes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc";
    expect(await answer(bytes)).toMatchObject({ state: "waiting", answer: "" });
  });

  for (const [what, before] of [
    ["100 Continue", "HTTP/1.1 100 Continue\r\n\r\n"],
    ["103 Early Hints", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"],
    ["several", "HTTP/1.1 102 Processing\r\n\r\n".repeat(5)],
  ] as const)
    test(`after ${what} the answer counts`, async () => {
      const good = await answer(`${before}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
      expect(good).toMatchObject({ state: "delivered", status: 200, answer: "ok" });
      const bad = await answer(`${before}HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno`);
      expect(bad).toMatchObject({ state: "waiting", status: 500, answer: "no" });
    });

  test("a body without a length ends with the connection", async () => {
    expect(await answer("HTTP/1.1 200 OK\r\n\r\nok")).toMatchObject({
      state: "delivered",
      answer: "ok",
    });
    expect(await answer("HTTP/1.0 200 OK\r\n\r\nok")).toMatchObject({
      state: "delivered",
      answer: "ok",
    });
  });

  test("an answer that comes before the request was read counts", async () => {
    await using server = await rawServer((socket) => {
      socket.pause();
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    expect(await attempted(server.url)).toMatchObject({ state: "delivered", status: 200 });
  });

  test("a reset before the request, before the answer, in its head, in its body", async () => {
    for (const bytes of [
      undefined,
      "",
      "HTTP/1.1 2",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na",
    ]) {
      await using server = await rawServer((socket) => {
        if (bytes === undefined) socket.resetAndDestroy();
        else void request(socket).then(() => socket.write(bytes, () => socket.resetAndDestroy()));
      });
      const attempt = await attempted(server.url);
      expect(attempt).toMatchObject({ state: "waiting", status: null });
      expect(attempt.error).toMatch(/./);
    }
  });

  test("nobody who listens", async () => {
    let url: string;
    {
      await using server = await rawServer(() => {});
      ({ url } = server);
    }
    const attempt = await attempted(url);
    expect(attempt).toMatchObject({ state: "waiting", status: null });
    expect(attempt.error).toMatch(/./);
  });
});
