import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { bearer, gate, Tickets } from "../src/authorize.ts";
import { originPolicy } from "../src/origin.ts";
import { Problem } from "../src/problem.ts";

const request = (headers: Record<string, string> = {}, url = "http://localhost:3003/events") =>
  new Request(url, { headers });

describe("bearer", () => {
  const rule = bearer("s3cret");

  test.each(["Bearer s3cret", "bearer s3cret", "BEARER s3cret", "Bearer  s3cret"])(
    "AUTH-2: takes %s",
    (authorization) => {
      expect(rule(request({ authorization }))).toBe(true);
    },
  );

  test.each([
    "",
    "s3cret",
    "Bearer",
    "Bearer s3cre",
    "Bearer s3cret2",
    "Bearer S3CRET",
    "Basic s3cret",
    "Bearer x s3cret",
  ])("AUTH-2: refuses %j", (authorization) => {
    expect(rule(request({ authorization }))).toBe(false);
    expect(rule(request())).toBe(false);
  });
});

describe("tickets", () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test("AUTH-3: are used once", () => {
    const tickets = new Tickets();
    const { ticket, expiresInMs } = tickets.issue();
    expect(ticket).toMatch(/^[\w-]{32}$/);
    expect(expiresInMs).toBe(30_000);
    expect(tickets.redeem(ticket)).toBe(true);
    expect(tickets.redeem(ticket)).toBe(false);
    expect(tickets.redeem("")).toBe(false);
    expect(tickets.redeem("made up")).toBe(false);
  });

  test("AUTH-3: expire", () => {
    const tickets = new Tickets({ ttlMs: 1_000 });
    const [early, late] = [tickets.issue().ticket, tickets.issue().ticket];
    expect(early).not.toBe(late);
    jest.advanceTimersByTime(999);
    expect(tickets.redeem(early)).toBe(true);
    jest.advanceTimersByTime(1);
    expect(tickets.redeem(late)).toBe(false);
  });

  test("LIMIT-2: when there are too many, the oldest is forgotten", () => {
    const tickets = new Tickets({ max: 2 });
    const [first = "", second = "", third = ""] = [1, 2, 3].map(() => tickets.issue().ticket);
    expect([first, second, third].map((ticket) => tickets.redeem(ticket))).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe("gate", () => {
  const refusal = async (gated: Promise<void>) => {
    try {
      await gated;
    } catch (error) {
      if (error instanceof Problem) return error;
      throw error;
    }
    return undefined;
  };

  test("AUTH-1: without a rule everybody may come in", async () => {
    expect(await refusal(gate(undefined, new Tickets())(request()))).toBeUndefined();
  });

  test("AUTH-1: a rule lets its friends in, and nobody else", async () => {
    const authorize = gate(bearer("correct-horse"), new Tickets());
    const headers = { authorization: "Bearer correct-horse" };
    expect(await refusal(authorize(request(headers)))).toBeUndefined();
    const problem = await refusal(authorize(request({ authorization: "Bearer wrong-horse" })));
    expect(problem?.status).toBe(401);
    expect(problem?.headers).toEqual({ "www-authenticate": "Bearer" });
    expect(JSON.stringify(problem)).not.toContain("wrong-horse");
  });

  test("AUTH-1: a rule may take its time", async () => {
    const authorize = gate(async () => false, new Tickets());
    expect((await refusal(authorize(request())))?.status).toBe(401);
  });

  test("AUTH-3: a ticket stands for the token, once", async () => {
    const tickets = new Tickets();
    const authorize = gate(bearer("s3cret"), tickets);
    const url = `http://localhost/events?ticket=${tickets.issue().ticket}`;
    expect(await refusal(authorize(request({}, url)))).toBeUndefined();
    expect((await refusal(authorize(request({}, url))))?.status).toBe(401);
  });

  test.each([
    ["POST", "/tickets"],
    ["POST", "/events"],
    ["GET", "/status"],
    ["HEAD", "/events"],
  ])("AUTH-3: a ticket is no good for %s %s, and not used up", async (method, path) => {
    const tickets = new Tickets();
    const authorize = gate(bearer("s3cret"), tickets);
    const query = `?ticket=${tickets.issue().ticket}`;
    const other = new Request(`http://localhost${path}${query}`, { method });
    expect((await refusal(authorize(other)))?.status).toBe(401);
    expect(await refusal(authorize(request({}, `http://localhost/events${query}`)))).toBe(
      undefined,
    );
  });

  test("AUTH-3: who has the token does not use up a ticket", async () => {
    const tickets = new Tickets();
    const authorize = gate(bearer("s3cret"), tickets);
    const url = `http://localhost/events?ticket=${tickets.issue().ticket}`;
    await authorize(request({ authorization: "Bearer s3cret" }, url));
    expect(await refusal(authorize(request({}, url)))).toBeUndefined();
  });
});

describe("originPolicy", () => {
  const allows = originPolicy(["https://example.org"]);

  test.each([
    [undefined, true],
    ["http://localhost:3003", true],
    ["http://localhost:3000", true],
    ["https://localhost", true],
    ["https://example.org", true],
    ["http://example.org", false],
    ["https://example.org:8443", false],
    ["https://www.example.org", false],
    ["https://example.org.evil.example", false],
    ["http://localhost.evil.example", false],
    ["http://evil.example/localhost", false],
    ["http://127.0.0.1:3000", false],
    ["null", false],
    ["", false],
    ["file://", false],
    ["localhost", false],
    ["*", false],
  ])("ORIGIN-2, ORIGIN-3: %s is allowed: %p", (origin, allowed) => {
    const host = { host: "localhost:3003" };
    expect(allows(request(origin === undefined ? host : { ...host, origin }))).toBe(allowed);
  });

  test.each([
    ["127.0.0.1:3003", true],
    ["[::1]:3003", true],
    ["localhost", true],
    ["LOCALHOST", true],
    ["feed.localhost:3003", true],
    ["backend", true],
    ["example.org", true],
    ["Example.org:8443", true],
    ["evil.example", false],
    ["evil.example:3003", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["evil.example.", false],
    ["[::1].evil.example", false],
  ])("ORIGIN-6: %s is a name of the server's own: %p", (host, own) => {
    expect(allows(request({ host }))).toBe(own);
    expect(allows(request({ host, origin: `http://${host}` }))).toBe(own);
  });

  test("ORIGIN-6: a program's publish may use any name", () => {
    const publish = new Request("http://x", { method: "POST", headers: { host: "evil.example" } });
    expect(allows(publish)).toBe(true);
  });

  test("ORIGIN-6, ORIGIN-3: HTTP/1.0 names no host, and a page of none is not its own", () => {
    expect(allows(request())).toBe(true);
    expect(allows(request({ origin: "http://localhost" }))).toBe(false);
  });

  test("ORIGIN-3: `null` may be listed", () => {
    expect(originPolicy(["null"])(request({ origin: "null" }))).toBe(true);
  });
});
