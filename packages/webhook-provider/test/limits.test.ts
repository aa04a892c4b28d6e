import { describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "../../../scripts/launch.ts";
import { output } from "../../../scripts/testing.ts";
import { startProvider } from "./provider.ts";
import { Receiver } from "./receiver.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(60_000);

describe("PROVIDER-18: an endpoint's own headers", () => {
  test("are sent with each attempt, changed by PATCH, and never shown", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider();
    const headers = { Authorization: "Bearer hush-1", "x-tenant": "a b" };
    const registered = await provider.register({ url: receiver.url, headers });
    expect(registered.headers).toEqual(["authorization", "x-tenant"]);
    await provider.publish("a.b", 1);
    const [first] = (await receiver.reached(1)).received;
    expect(first?.headers.get("authorization")).toBe("Bearer hush-1");
    expect(first?.headers.get("x-tenant")).toBe("a b");

    const path = `/endpoints/${registered.id}`;
    const change = { headers: { authorization: "Bearer hush-2" } };
    const changed = await provider.ask("PATCH", path, change);
    expect(changed.json.headers).toEqual(["authorization"]);
    await provider.publish("a.b", 2);
    const [, second] = (await receiver.reached(2)).received;
    expect(second?.headers.get("authorization")).toBe("Bearer hush-2");
    expect(second?.headers.has("x-tenant")).toBe(false);

    const texts = [JSON.stringify(registered), changed.text];
    for (const shown of ["/endpoints", path, `${path}/deliveries`, "/status"])
      texts.push((await provider.ask("GET", shown)).text);
    expect(texts.join()).not.toContain("hush");
    expect((await provider.ask("PATCH", path, { headers: null })).json.headers).toEqual([]);
  });

  const ours = ["Host", "content-length", "Webhook-Id", "webhook-anything", "content-type"];
  const hopByHop = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
  const others = ["expect", "proxy-authorization", "content-encoding", "accept-encoding"];
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`x-${n}`, "1"]));
  test.each([
    ...[...ours, ...hopByHop, ...others].map((name) => [{ [name]: "1" }, "must not name"] as const),
    [{ "x a": "1" }, "each name must be a token"],
    [{ "x:a": "1" }, "each name must be a token"],
    [{ "": "1" }, "each name must be a token"],
    [{ "x-a": "1", "X-A": "2" }, "each name must be a token, and stand there once"],
    [{ "x-a": "1\r\nx-b: 2" }, "each value must be printable"],
    [{ "x-a": "1\u0000" }, "each value must be printable"],
    [{ "x-a": "é" }, "each value must be printable"],
    [{ "x-a": " 1" }, "each value must be printable"],
    [{ "x-a": "" }, "each value must be printable"],
    [{ "x-a": 1 }, "each value must be printable"],
    [{ "x-a": "1".repeat(4_094) }, "at most 10 headers and 4096 bytes"],
    [many, "at most 10 headers and 4096 bytes"],
    [["x-a"], "must be an object"],
    ["x-a", "must be an object"],
  ])("%j: 422", async (headers, detail) => {
    await using provider = startProvider();
    const url = "http://127.0.0.1:9/";
    const { id } = await provider.register({ url });
    for (const answer of [
      await provider.ask("POST", "/endpoints", { url, headers }),
      await provider.ask("PATCH", `/endpoints/${id}`, { headers }),
    ]) {
      expect(answer.status).toBe(422);
      expect(answer.json.detail).toStartWith("headers: ");
      expect(answer.json.detail).toContain(detail);
    }
  });
});

describe("PROVIDER-14: the rate", () => {
  test("of an endpoint is its own wish, with fake time", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider();
    const { id } = await provider.register({ url: receiver.url, ratePerSecond: 0.5 });
    jest.useFakeTimers();
    try {
      for (let n = 1; n <= 3; n++) await provider.publish("a.b", n);
      for (let n = 1; n <= 3; n++) {
        await receiver.reached(n);
        await provider.deliveries(id, (all) => all.filter(({ attempts: [a] }) => a).length === n);
        jest.advanceTimersByTime(1_999);
        await provider.ask("GET", `/endpoints/${id}`);
        expect(receiver.received).toHaveLength(n);
        jest.advanceTimersByTime(1);
      }
    } finally {
      jest.useRealTimers();
    }
  });

  test("a second's worth goes at once, and no more", async () => {
    await using receiver = new Receiver();
    await using provider = startProvider({ ratePerSecond: 4, concurrency: 20 });
    const { id } = await provider.register({ url: receiver.url });
    jest.useFakeTimers();
    try {
      for (let n = 1; n <= 9; n++) await provider.publish("a.b", n);
      await receiver.reached(4);
      const attempted = (count: number) =>
        provider.deliveries(id, (all) => all.filter(({ attempts: [a] }) => a).length === count);
      await attempted(4);
      expect(receiver.received).toHaveLength(4);
      jest.advanceTimersByTime(250);
      await attempted(5);
      expect(receiver.received).toHaveLength(5);
    } finally {
      jest.useRealTimers();
    }
  });

  test.each([0, -1, 5.1, "1", true])("of %p is refused where the server allows 5", async (rate) => {
    await using provider = startProvider({ ratePerSecond: 5 });
    const wish = { url: "http://127.0.0.1:9/", ratePerSecond: rate };
    const { status, json } = await provider.ask("POST", "/endpoints", wish);
    expect(status).toBe(422);
    expect(json.detail).toBe(
      "ratePerSecond: must be a number from 0.001 to 5, or null for the server's.",
    );
  });
});

test("PROVIDER-14: no more attempts run at a time than the server allows", async () => {
  const hang = Promise.withResolvers<void>();
  await using receiver = new Receiver(async () => {
    await hang.promise;
    return new Response();
  });
  // Three seats, and one for those that did not accept their last delivery.
  await using provider = startProvider({ maxAttempts: 4 });
  for (const path of ["a", "b", "c"]) await provider.register({ url: `${receiver.url}${path}` });
  for (let n = 0; n < 5; n++) await provider.publish("a.b", n);
  await receiver.reached(3);
  for (let n = 0; n < 10; n++) await provider.ask("GET", "/endpoints");
  expect(receiver.received).toHaveLength(3);
  hang.resolve();
  await receiver.reached(15);
});

test("PROVIDER-19: GET /events is a 405 that allows POST", async () => {
  await using provider = startProvider();
  const { status, headers } = await provider.ask("GET", "/events");
  expect([status, headers.get("allow")]).toEqual([405, "POST"]);
});

test("PROVIDER-5, PROVIDER-20: v1 is the only signature, and no answer but its own has a secret", async () => {
  await using receiver = new Receiver();
  await using provider = startProvider();
  const { id, secret } = await provider.register({ url: receiver.url });
  await provider.publish("a.b", 1);
  const [received] = (await receiver.reached(1)).received;
  expect(received?.headers.get("webhook-signature")).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  const path = `/endpoints/${id}`;
  const answers = [
    await provider.ask("GET", "/endpoints"),
    await provider.ask("GET", path),
    await provider.ask("PATCH", path, { types: ["a.b"] }),
    await provider.ask("POST", `${path}/test`),
    await provider.ask("POST", `${path}/disable`),
    await provider.ask("POST", `${path}/enable`),
    await provider.ask("GET", `${path}/deliveries`),
    await provider.ask("GET", "/status"),
    await provider.ask("PATCH", path, { secret }),
  ];
  for (const { text } of answers) expect(text).not.toContain(secret.slice("whsec_".length));
});

test("PROVIDER-8: a published payment arrives at each subscribed URL, as guides teach it", async () => {
  await using receiver = new Receiver();
  await using provider = startProvider();
  const url = (path: string) => ({ url: `${receiver.url}${path}` });
  for (const [path, type] of [
    ["one", "success"],
    ["two", "success"],
    ["three", "refunded"],
    ["four", "failed"],
  ] as const)
    expect((await provider.ask("POST", `/payment/${type}`, url(path))).status).toBe(201);
  const publish = (type: string) =>
    output("publish", [type, '{"amount": 4200}', "--to", provider.url]);
  expect((await publish("payment.success")).code).toBe(0);
  await receiver.reached(2);
  expect((await publish("payment.refunded")).code).toBe(0);
  await receiver.reached(3);
  expect((await publish("payment.failed")).code).toBe(0);
  await receiver.reached(4);
  expect(receiver.received.map(({ path }) => path).sort()).toEqual([
    "/four",
    "/one",
    "/three",
    "/two",
  ]);
  for (const { body } of receiver.received) expect(JSON.parse(body).data).toEqual({ amount: 4200 });

  expect((await provider.ask("DELETE", "/payment/success", url("one"))).status).toBe(204);
  expect((await provider.ask("DELETE", "/payment/success", url("one"))).status).toBe(404);
  expect((await publish("payment.success")).code).toBe(0);
  await receiver.reached(5);
  expect(receiver.received[4]?.path).toBe("/two");
  const ping = await provider.ask("GET", "/ping");
  expect([ping.status, ping.json]).toEqual([202, { called: 3 }]);
  await receiver.reached(8);
  const pinged = receiver.received.slice(5).map(({ path }) => path);
  expect(pinged.sort()).toEqual(["/four", "/three", "/two"]);
});

test("PROVIDER-14: pings do not pile up: one round ends before the next may begin", async () => {
  const { promise: answer, resolve: go } = Promise.withResolvers<void>();
  await using receiver = new Receiver(async () => {
    await answer;
    return new Response();
  });
  // A quarter of them is one: the second endpoint's ping waits for the first one's end.
  await using provider = startProvider({ maxAttempts: 4 });
  await provider.register({ url: receiver.url });
  await provider.register({ url: receiver.url });
  expect((await provider.ask("GET", "/ping")).status).toBe(202);
  await receiver.reached(1);
  const { status, headers } = await provider.ask("GET", "/ping");
  go();
  expect([status, headers.get("retry-after")]).toEqual([503, "5"]);
  await receiver.reached(2);
  expect((await provider.ask("GET", "/ping")).status).toBe(202);
  await receiver.reached(4);
});

describe("PROVIDER-13: a file", () => {
  test("PUBLISH-5: keeps what a key was used for, through a kill", async () => {
    const folder = mkdtempSync(join(tmpdir(), "provider-"));
    const options = { database: join(folder, "outbox.sqlite") };
    const post = async (url: string, data: unknown) => {
      const response = await fetch(`${url}/events`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "once" },
        body: JSON.stringify({ type: "a.b", data }),
      });
      return { status: response.status, json: await response.json() };
    };
    const first = await launch("webhook-provider", { options });
    const published = await post(first.url, { x: 1 });
    expect(published.status).toBe(201);
    first.kill("SIGKILL");
    await first.exited;
    await using second = await launch("webhook-provider", { options });
    expect(await post(second.url, { x: 1 })).toEqual({ ...published, status: 200 });
    expect((await post(second.url, { x: 2 })).status).toBe(422);
    rmSync(folder, { recursive: true });
  });

  test("that cannot be used ends the server's start with one line", async () => {
    const { code, stdout, stderr } = await output("serve", [
      "webhook-provider",
      "--options",
      '{"database":"/nowhere/at/all.sqlite"}',
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: [] });
    expect(stderr).toEqual([
      'webhook-provider is started with {"allowLoopback":true}',
      "tidings: database: /nowhere/at/all.sqlite cannot be used: unable to open database file",
    ]);
  });
});
