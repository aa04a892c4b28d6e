import { afterEach, beforeEach, describe, expect, mock, spyOn, test } from "bun:test";
import { connect } from "node:net";
import { bearer } from "../src/authorize.ts";
import { contract, type ServerOptions } from "../src/contract.ts";
import { Feed } from "../src/feed.ts";
import { Problem } from "../src/problem.ts";

/** A server that has the contract, and nothing to deliver with. */
const start = (options: Partial<ServerOptions> = {}) => {
  const closing = new AbortController();
  const feed = options.feed ?? new Feed();
  const made = contract("x", { signal: closing.signal, ...options, feed });
  const app = made.app
    .get("/events", () => Response.json({}))
    .get("/boom", () => {
      throw new Error("the password is 1234");
    })
    .delete("/any/:one", () => Response.json({}))
    .all("/any/:one", () => Response.json({}))
    .get("/teapot", () => {
      throw new Problem(409, "teapot: is short and stout.");
    })
    .listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  const server = app.server;
  if (!server) throw new Error("The server did not start.");
  const url = server.url.origin;
  const get = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init);
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    get("/events", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  return {
    ...made,
    closing,
    url,
    get,
    post,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
};

/** Checks that it is a problem, and answers what it says. */
const problemOf = async (response: Response) => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const text = await response.text();
  expect(text).not.toMatch(/\.ts\b|node_modules|at .*:\d+:\d+|Error:/);
  const problem = JSON.parse(text);
  expect(Object.keys(problem)).toEqual(["type", "title", "status", "detail"]);
  expect(problem.status).toBe(response.status);
  return problem;
};

const json = { "content-type": "application/json" };

describe("POST /events", () => {
  test("PUBLISH-1: publishes and answers 201 with the whole event", async () => {
    await using server = start();
    const response = await server.post({ type: "payment.success", data: { amount: 42 } });
    expect(response.status).toBe(201);
    const event = await response.json();
    expect(event).toEqual(server.feed.since("0-0")[0]);
    expect(event).toMatchObject({ type: "payment.success", data: { amount: 42 } });
  });

  const refusals: [string, number, RequestInit][] = [
    ["no body", 415, { method: "POST" }],
    ["text", 415, { method: "POST", body: '{"type":"a","data":1}' }],
    ["a form", 415, { method: "POST", body: new URLSearchParams({ type: "a" }) }],
    ["an empty body", 400, { method: "POST", headers: json }],
    ["half a body", 400, { method: "POST", headers: json, body: '{"type":"a",' }],
    [
      "invalid UTF-8",
      400,
      { method: "POST", headers: json, body: new Uint8Array([0x22, 0xff, 0x22]) },
    ],
    ["a byte order mark", 400, { method: "POST", headers: json, body: "\uFEFF{}" }],
    ["a list", 422, { method: "POST", headers: json, body: "[]" }],
    ["no type", 422, { method: "POST", headers: json, body: '{"data":1}' }],
    ["no data", 422, { method: "POST", headers: json, body: '{"type":"a"}' }],
    ["a bad type", 422, { method: "POST", headers: json, body: '{"type":"A!","data":1}' }],
    [
      "a long type",
      422,
      { method: "POST", headers: json, body: `{"type":"${"a".repeat(129)}","data":1}` },
    ],
    [
      "a type of the feed",
      422,
      { method: "POST", headers: json, body: '{"type":"feed.gap","data":1}' },
    ],
    [
      "an unknown member",
      422,
      { method: "POST", headers: json, body: '{"type":"a","data":1,"id":"1-1"}' },
    ],
    [
      "20,000 brackets",
      422,
      {
        method: "POST",
        headers: json,
        body: `{"type":"a","data":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
      },
    ],
    [
      "a number out of range",
      422,
      { method: "POST", headers: json, body: '{"type":"a","data":[{"x":-1e999}]}' },
    ],
    ["65,537 bytes", 413, { method: "POST", headers: json, body: '"'.padEnd(65_536, "x") + '"' }],
  ];
  test.each(refusals)(
    "PUBLISH-2 to 4, PUBLISH-6: %s is a %d, and nothing is published",
    async (_, status, init) => {
      await using server = start();
      const response = await server.get("/events", init);
      expect(response.status).toBe(status);
      await problemOf(response);
      expect(server.feed.window.events).toBe(0);
      expect(await (await server.get("/status")).json()).toMatchObject({ published: 0 });
    },
  );

  test("PUBLISH-3: takes a body of exactly the limit", async () => {
    await using server = start({ maxBodyBytes: 100 });
    const data = "x".repeat(100 - '{"type":"a","data":""}'.length);
    expect((await server.post({ type: "a", data })).status).toBe(201);
    expect((await server.post({ type: "a", data: `${data}x` })).status).toBe(413);
  });

  test("PUBLISH-3, ERROR-1: a body that says to be huge is a 413 with a problem", async () => {
    await using server = start();
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const answered = Promise.withResolvers<string>();
    let answer = "";
    socket.on("data", (bytes) => {
      answer += bytes;
      if (answer.includes('"detail"')) answered.resolve(answer);
    });
    socket.on("error", answered.reject);
    socket.on("close", () => answered.resolve(answer));
    socket.write(
      "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n",
    );
    expect(await answered.promise).toMatch(/^HTTP\/1.1 413 [^]*application\/problem\+json/);
    socket.destroy();
  });

  test("PUBLISH-3: a body in chunks is a 413 before its end", async () => {
    await using server = start({ maxBodyBytes: 100 });
    // This one never ends: only a server that counts can answer it.
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const answered = Promise.withResolvers<string>();
    socket.on("data", (bytes) => answered.resolve(bytes.toString()));
    socket.on("error", answered.reject);
    socket.write(
      "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for (let n = 0; n < 5; n++) socket.write(`20\r\n${" ".repeat(32)}\r\n`);
    expect(await answered.promise).toStartWith("HTTP/1.1 413 ");
    socket.destroy();
  });

  test("PUBLISH-2: takes a body in chunks, cut in the middle of a character", async () => {
    await using server = start();
    const bytes = new TextEncoder().encode('{"type":"a","data":"ä€😀"}');
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    });
    const response = await server.get("/events", { method: "POST", headers: json, body });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ data: "ä€😀" });
  });
});

describe("Idempotency-Key", () => {
  const key = { "idempotency-key": "payment-1" };

  test("PUBLISH-5: the same event again is a 200 with the first", async () => {
    await using server = start();
    const first = await server.post({ type: "a", data: { x: 1, y: [2] } }, key);
    const second = await server.post({ data: { y: [2], x: 1 }, type: "a" }, key);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(await second.json()).toEqual(await first.json());
    expect(server.feed.window.events).toBe(1);
    expect(
      (await server.post({ type: "a", data: 1 }, { "idempotency-key": "payment-2" })).status,
    ).toBe(201);
    expect(await (await server.get("/status")).json()).toMatchObject({ published: 2 });
  });

  test("PUBLISH-5: fifty at once publish one event", async () => {
    await using server = start();
    const responses = await Promise.all(
      Array.from({ length: 50 }, () => server.post({ type: "a", data: 1 }, key)),
    );
    expect(responses.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(49);
    expect(server.feed.window.events).toBe(1);
  });

  test.each([
    ["data", { type: "a", data: 2 }],
    ["type", { type: "b", data: 1 }],
    ["kind of data", { type: "a", data: "1" }],
  ])("PUBLISH-5: another %s is a 422", async (_, body) => {
    await using server = start();
    await server.post({ type: "a", data: 1 }, key);
    const response = await server.post(body, key);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).detail).toStartWith("idempotency-key:");
    expect(server.feed.window.events).toBe(1);
  });

  test("PUBLISH-5: has 1 to 255 characters", async () => {
    await using server = start();
    const status = async (length: number) =>
      (await server.post({ type: "a", data: 1 }, { "idempotency-key": "k".repeat(length) })).status;
    expect([await status(0), await status(255), await status(256)]).toEqual([422, 201, 422]);
  });

  test("PUBLISH-5: is forgotten with its event", async () => {
    await using server = start({ feed: new Feed({ maxEvents: 2 }) });
    await server.post({ type: "a", data: 1 }, key);
    await server.post({ type: "a", data: 2 });
    expect((await server.post({ type: "a", data: 1 }, key)).status).toBe(200);
    await server.post({ type: "a", data: 3 });
    const again = await server.post({ type: "a", data: "another" }, key);
    expect(again.status).toBe(201);
    expect(await again.json()).toMatchObject({ data: "another" });
  });

  test("PUBLISH-6: a refused publish does not use up its key", async () => {
    await using server = start();
    expect((await server.post({ type: "BAD", data: 1 }, key)).status).toBe(422);
    expect((await server.post({ type: "a", data: 1 }, key)).status).toBe(201);
  });
});

describe("status and health", () => {
  test("STATUS-1: says what the server holds and has done", async () => {
    const feed = new Feed({ epoch: 1_000, maxEvents: 2 });
    await using server = start({ feed });
    for (let n = 1; n <= 3; n++) await server.post({ type: "a", data: n });
    const response = await server.get("/status");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      technique: "x",
      epoch: 1_000,
      oldest: "1000-2",
      newest: "1000-3",
      window: { events: 2, bytes: feed.window.bytes },
      subscribers: 0,
      published: 3,
      delivered: 0,
      dropped: 0,
      bytesOut: 0,
      rssBytes: expect.any(Number),
      cpuMs: expect.any(Number),
      uptimeMs: expect.any(Number),
    });
  });

  test("HEALTH-1, ERROR-4: 200 while it serves, 503 while it drains", async () => {
    await using server = start();
    expect((await server.get("/health")).status).toBe(200);
    server.closing.abort();
    for (const response of [
      await server.get("/health"),
      await server.post({ type: "a", data: 1 }),
    ]) {
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
      await problemOf(response);
    }
    // Over a socket, too.
    await expect(server.publish({ type: "a", data: 1 })).rejects.toMatchObject({ status: 503 });
    expect(server.feed.window.events).toBe(0);
    expect(server.subscribers.join(() => {}, "x")).toBe(false);
    expect((await server.get("/status")).status).toBe(200);
  });

  test.each(["/health", "/status"])(
    "HEALTH-2: HEAD %s has GET's headers and no body",
    async (path) => {
      await using server = start();
      const [head, get] = [await server.get(path, { method: "HEAD" }), await server.get(path)];
      expect(head.status).toBe(200);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(head.headers.get("cache-control")).toBe(get.headers.get("cache-control"));
      expect(await head.text()).toBe("");
    },
  );
});

describe("errors", () => {
  test.each(["/", "/event", "/events/1", "/EVENTS", "/..%2fevents", "/%00", "/%"])(
    "ERROR-3: %s is a 404",
    async (path) => {
      await using server = start();
      const response = await server.get(path);
      expect(response.status).toBe(404);
      await problemOf(response);
    },
  );

  test.each(["xn--a", "[x]", "localhost:99999"])(
    "ERROR-3: a Host of %s, which is none in any URL, changes nothing",
    async (host) => {
      await using server = start();
      expect((await server.get("/nope", { headers: { host } })).status).toBe(404);
      expect((await server.get("/events", { headers: { host }, method: "PUT" })).status).toBe(405);
    },
  );

  test.each([
    ["DELETE", "/events", "GET, HEAD, POST"],
    ["PUT", "/events", "GET, HEAD, POST"],
    ["PATCH", "/events", "GET, HEAD, POST"],
    ["OPTIONS", "/events", "GET, HEAD, POST"],
    ["OPTIONS", "/any/one", "DELETE"],
    ["POST", "/status", "GET, HEAD"],
    ["POST", "/health", "GET, HEAD"],
    ["GET", "/tickets", "POST"],
  ])("ERROR-3: %s %s is a 405 that allows %s", async (method, path, allow) => {
    await using server = start();
    const response = await server.get(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    await problemOf(response);
  });

  describe("of the server itself", () => {
    const report = mock();
    beforeEach(() => {
      report.mockReset();
      spyOn(console, "error").mockImplementation(report);
    });
    afterEach(() => {
      mock.restore();
    });

    test("ERROR-2: are a 500 with a fixed text, and go to the log", async () => {
      await using server = start();
      const response = await server.get("/boom?secret=5678");
      expect(response.status).toBe(500);
      expect(JSON.stringify(await problemOf(response))).not.toMatch(/1234|5678|boom/);
      expect(report).toHaveBeenCalledTimes(1);
    });

    test("ERROR-5: neither answers nor the log hold a token, a ticket or a query", async () => {
      const token = "the-token-5678";
      await using server = start({ authorize: bearer(token) });
      const headers = { authorization: `Bearer ${token}`, ...json };
      const issued = await server.get("/tickets", { method: "POST", headers });
      const { ticket } = (await issued.json()) as { ticket: string };
      const answers = [
        await server.get(`/boom?ticket=${ticket}`, { headers }),
        await server.get(`/nothing?ticket=${ticket}`, { headers }),
        await server.get("/status?ticket=the-ticket-5678", { headers }),
        await server.get("/status?ticket=the-ticket-5678"),
        await server.get("/status", { headers: { authorization: `Bearer ${token}x` } }),
        await server.get("/events", { method: "POST", headers, body: `{"type":"${token}"}` }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([500, 404, 200, 401, 401, 422]);
      const said = await Promise.all(answers.map((answer) => answer.text()));
      const heads = answers.map((answer) => JSON.stringify(answer.headers));
      const logged = report.mock.calls.map((args) => Bun.inspect(args));
      expect(logged).toHaveLength(1);
      for (const text of [...said, ...heads, ...logged]) {
        expect(text).not.toContain("5678");
        expect(text).not.toContain(ticket);
      }
    });

    test("ERROR-1: a problem that is thrown is answered as it is", async () => {
      await using server = start();
      const response = await server.get("/teapot");
      expect(response.status).toBe(409);
      expect((await problemOf(response)).detail).toBe("teapot: is short and stout.");
      expect(report).not.toHaveBeenCalled();
    });
  });

  test("a request that names no host is answered", async () => {
    await using server = start({ authorize: bearer("s3cret") });
    const { hostname, port } = new URL(server.url);
    const answer = (head: string) => {
      const answered = Promise.withResolvers<string>();
      const socket = connect(Number(port), hostname);
      socket.on("data", (bytes) => answered.resolve(bytes.toString()));
      socket.on("error", answered.reject);
      socket.write(`${head} HTTP/1.0\r\n\r\n`);
      return answered.promise.finally(() => socket.destroy());
    };
    expect(await answer("GET /health")).toContain(" 200 ");
    expect(await answer("GET /status")).toContain(" 401 ");
    expect(await answer("GET /nothing")).toContain(" 404 ");
    expect(await answer("DELETE /events")).toContain(" 405 ");
  });
});

describe("origins", () => {
  const EXPOSED = "etag, retry-after, x-poll-interval";
  const preflight = {
    method: "OPTIONS",
    headers: {
      origin: "",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    },
  };

  test.each(["http://localhost:5173", "https://example.org"])(
    "ORIGIN-4, ORIGIN-5: %s is allowed",
    async (origin) => {
      await using server = start({ allowOrigins: ["https://example.org"] });
      const url = server.url.replace("127.0.0.1", "localhost");
      const before = await fetch(`${url}/events`, {
        ...preflight,
        headers: { ...preflight.headers, origin },
      });
      expect(before.status).toBe(204);
      expect(before.headers.get("access-control-allow-origin")).toBe(origin);
      expect(before.headers.get("access-control-allow-methods")).toContain("POST");
      expect(before.headers.get("access-control-allow-headers")).toContain("idempotency-key");
      expect(before.headers.get("vary")).toBe("Origin");

      const publish = (body: string) =>
        fetch(`${url}/events`, { method: "POST", headers: { ...json, origin }, body });
      for (const response of [
        await publish('{"type":"a","data":1}'),
        await publish("{"),
        await fetch(`${url}/nothing`, { headers: { origin } }),
        await fetch(`${url}/status`, { headers: { origin } }),
      ]) {
        expect(response.headers.get("access-control-allow-origin")).toBe(origin);
        expect(response.headers.get("access-control-expose-headers")).toBe(EXPOSED);
        expect(response.headers.get("access-control-allow-credentials")).toBeNull();
        expect(response.headers.get("vary")).toBe("Origin");
      }
      expect(server.feed.window.events).toBe(1);
    },
  );

  test.each([
    "https://example.org/",
    "https://Example.org",
    "https://example.org:443",
    "x.org",
    "",
  ])("ORIGIN-2: %p is no origin that a list could allow", (origin) => {
    expect(() => contract("x", { feed: new Feed(), allowOrigins: [origin] })).toThrow(RangeError);
    const allowOrigins = ["null", "http://[::1]:3000", "chrome-extension://abc"];
    expect(() => contract("x", { feed: new Feed(), allowOrigins })).not.toThrow();
  });

  test.each(["https://evil.example", "null"])(
    "ORIGIN-1, ORIGIN-4: %s is refused",
    async (origin) => {
      await using server = start({ allowOrigins: ["https://example.org"] });
      const headers = { ...json, origin };
      const before = await server.get("/events", {
        ...preflight,
        headers: { ...preflight.headers, origin },
      });
      const publish = await server.post({ type: "a", data: 1 }, headers);
      for (const response of [before, publish]) {
        expect(response.status).toBe(403);
        expect(
          [...response.headers.keys()].filter((name) => name.startsWith("access-control")),
        ).toEqual([]);
        await problemOf(response);
      }
      expect(server.feed.window.events).toBe(0);
    },
  );

  test("ORIGIN-3: without an origin there is nothing to share", async () => {
    await using server = start();
    const response = await server.get("/status");
    expect(
      [...response.headers.keys()].filter((name) => name.startsWith("access-control")),
    ).toEqual([]);
  });
});

describe("authorization", () => {
  test("AUTH-1: without the token nothing but /health is answered", async () => {
    await using server = start({ authorize: bearer("s3cret") });
    const wrong = { authorization: "Bearer wr0ng" };
    for (const response of [
      await server.post({ type: "a", data: 1 }),
      await server.post({ type: "a", data: 1 }, wrong),
      // Before anything else: not even that the body is bad is said.
      await server.post("bad", wrong),
      await server.get("/status", { headers: wrong }),
      await server.get("/tickets", { method: "POST", headers: wrong }),
    ]) {
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(JSON.stringify(await problemOf(response))).not.toMatch(/s3cret|wr0ng/);
    }
    expect((await server.get("/health")).status).toBe(200);
    expect(server.feed.window.events).toBe(0);
    const right = { authorization: "Bearer s3cret" };
    expect((await server.post({ type: "a", data: 1 }, right)).status).toBe(201);
    const status = await server.get("/status", { headers: right });
    expect(await status.text()).not.toContain("s3cret");
  });

  test("AUTH-3: a ticket from /tickets opens once", async () => {
    await using server = start({ authorize: bearer("s3cret") });
    const response = await server.get("/tickets", {
      method: "POST",
      headers: { authorization: "Bearer s3cret" },
    });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const { ticket, expiresInMs } = JSON.parse(await response.text());
    expect(expiresInMs).toBe(30_000);
    const query = `?ticket=${ticket}`;
    for (const [method, path] of [
      ["POST", "/tickets"],
      ["POST", "/events"],
      ["GET", "/status"],
    ] as const)
      expect((await server.get(`${path}${query}`, { method })).status).toBe(401);
    expect((await server.get(`/events${query}`)).status).toBe(200);
    const second = await server.get(`/events${query}`);
    expect(second.status).toBe(401);
    expect(JSON.stringify(await problemOf(second))).not.toContain(ticket);
  });
});
