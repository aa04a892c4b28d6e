import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { isFeedEvent, type FeedEvent } from "@tidings/shared";
import { openTap } from "@tidings/tap";
import { noBrowser, open } from "../../../../scripts/browser.ts";
import { launch, type LaunchOptions } from "../../../../scripts/launch.ts";
import { optionsFor } from "../../../../scripts/options.ts";
import { whyMissing } from "../../../../scripts/setup.ts";
import { eventually, publish, status } from "../../src/lane.ts";
import { page } from "./page.ts";

setDefaultTimeout(60_000);

const json = JSON.stringify;
const deadline = () => AbortSignal.timeout(30_000);
const why = (missing: string | undefined) => (missing ? `: ${missing}` : "");

/** Waits until what was seen has an item of this id. */
const untilId = (id: string) =>
  `return until(() => seen.some((event) => event.id === ${json(id)}))`;

const names = ["short-poll", "long-poll", "sse", "ws"];

/** Follows with our own client, as any page would import it. */
const follow = (name: string, url: string, token?: string) => `
  const { subscribe } = await import("/clients/${name}.js");
  const onNote = ({ kind }) => see(kind);
  const options = { token: ${json(token)}, after: "0-0", minRetryMs: 20, maxRetryMs: 50, onNote };
  globalThis.leaving = new AbortController();
  const { signal } = leaving;
  const events = subscribe(${json(url)}, { ...options, signal });
  void (async () => { for await (const event of events) see(event); })();`;

const port = (url: string) => Number(new URL(url).port);

describe.skipIf(noBrowser !== undefined)(`Chromium's own clients${why(noBrowser)}`, () => {
  // A page's script that says "open" and sees the server's events, with nothing of ours in it.
  const native: (readonly [name: string, technique: string, script: (url: string) => string])[] = [
    [
      "EventSource",
      "sse",
      (url) => `
        const source = new EventSource(${json(`${url}/events?after=0-0`)});
        source.onmessage = ({ data, lastEventId }) => see({ id: lastEventId, ...JSON.parse(data) });`,
    ],
    [
      "WebSocket",
      "ws",
      (url) => `
        const socket = new WebSocket(${json(`${url.replace("http", "ws")}/events?after=0-0`)});
        socket.onmessage = ({ data }) => { const said = JSON.parse(data); if (said.id) see(said); };`,
    ],
    ...["short-poll", "long-poll"].map(
      (technique) =>
        [
          "fetch",
          technique,
          (url: string) => `
        void (async (cursor) => {
          for (;;) {
            const page = await (await fetch(${json(`${url}/events?after=`)} + cursor)).json();
            page.events.forEach(see);
            cursor = page.cursor;
          }
        })("0-0");`,
        ] as const,
    ),
  ];

  test.each(native)(
    "%s → %s: the past and the present, each event once",
    async (_, name, script) => {
      await using server = await launch(name);
      await using host = page("same host");
      const past = [await publish(server.url, "greeting", "línea\r\n\ndata: x\n\n")];
      past.push(await publish(server.url, "greeting", { large: "x".repeat(60_000) }));
      using tab = await host.open();
      await tab.run(script(server.url));
      await tab.run(untilId(past[1]?.id ?? ""));
      const present = [await publish(server.url, "greeting", null)];
      present.push(await publish(server.url, "greeting", "𝄞\u2028"));
      expect(await tab.run(untilId(present[1]?.id ?? ""))).toEqual([...past, ...present]);
    },
  );

  test("EventSource comes back by itself to a server that was killed, and is told the gap", async () => {
    const options: LaunchOptions = { options: { retryMs: 20 } };
    await using first = await launch("sse", options);
    await using host = page("same host");
    using tab = await host.open();
    await tab.run(`
      const source = new EventSource(${json(`${first.url}/events`)});
      source.onopen = () => see("open");
      source.onmessage = ({ data, lastEventId }) => see({ id: lastEventId, ...JSON.parse(data) });
      await until(() => seen.includes("open"));`);
    const before = await publish(first.url, "greeting", 1);
    await tab.run(untilId(before.id));

    first.kill("SIGKILL");
    await first.exited;
    await using again = await launch("sse", { ...options, port: port(first.url) });
    await tab.run(`await until(() => seen.filter((what) => what === "open").length === 2)`);
    const after = await publish(again.url, "greeting", 2);
    const reason = { after: before.id, resumesAt: after.id, reason: "epoch" };
    expect(await tab.run(untilId(after.id))).toMatchObject([
      "open",
      before,
      "open",
      { type: "feed.gap", data: reason },
      after,
    ]);
  });
});

// Nobody vouches for the servers' own certificate.
const insecure = { tls: { rejectUnauthorized: false } };
const secureStatus = async (url: string): Promise<unknown> =>
  (await fetch(`${url}/status`, insecure)).json();
const publishSecurely = async (url: string): Promise<FeedEvent> => {
  const event: unknown = await (
    await fetch(`${url}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: json({ type: "greeting", data: 1 }),
      ...insecure,
    })
  ).json();
  if (!isFeedEvent(event)) throw new Error(`${url} answered ${json(event)}`);
  return event;
};

const untilHeld = (url: string, count: number) =>
  eventually(async () => Bun.deepMatch({ subscribers: count }, await secureStatus(url)), {
    signal: deadline(),
    what: `${count} subscribers`,
  });

const noSecure = noBrowser ?? whyMissing("openssl");
describe.skipIf(noSecure !== undefined)(`many EventSources of one page${why(noSecure)}`, () => {
  const openMany = (url: string, count: number) => `
    globalThis.sources = Array.from({ length: ${count} }, (_, n) => {
      const source = new EventSource(${json(`${url}/events`)});
      source.onopen = () => see("open " + n);
      source.onmessage = ({ data }) => see(n);
      return source;
    });`;
  const untilOpen = (count: number) =>
    `await until(() => seen.filter((what) => /^open/.test(what)).length === ${count});`;
  const untilEvents = (count: number) => `
    await until(() => seen.filter((what) => typeof what === "number").length === ${count});
    return seen.filter((what) => typeof what === "number").sort((a, b) => a - b);`;
  const states = "return sources.map(({ readyState }) => readyState);";
  const [CONNECTING, OPEN] = [0, 1];
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

  test("over HTTP/2 twenty are live", async () => {
    await using server = await launch("sse", { tls: true });
    await using tap = await openTap({ target: server.url, record: false });
    await using host = page("same host");
    using tab = await host.open();
    await tab.run(openMany(tap.url, 20) + untilOpen(20));
    // One connection carries them all: those that Chromium opened before it knew, it gives up.
    await tap.until(() => tap.connections.live === 1);
    await publishSecurely(server.url);
    expect(await tab.run(untilEvents(20))).toEqual(numbers(20));
    expect(await tab.run(states)).toEqual(numbers(20).map(() => OPEN));

    // Streams of one connection come and go alone.
    await tab.run("sources.slice(5).forEach((source) => source.close());");
    await untilHeld(server.url, 5);
    await publishSecurely(server.url);
    await tab.run(untilEvents(25));
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  test("over HTTP/1.1 six are, and the seventh waits until one of them leaves", async () => {
    await using server = await launch("sse");
    await using tap = await openTap({ target: server.url, record: false });
    await using host = page("same host");
    using tab = await host.open();
    await tab.run(openMany(tap.url, 7) + untilOpen(6));
    await publish(server.url, "greeting", 1);
    expect(await tab.run(untilEvents(6))).toEqual(numbers(6));
    expect(await tab.run(states)).toEqual([...numbers(6).map(() => OPEN), CONNECTING]);
    expect(await status(server.url)).toMatchObject({ subscribers: 6 });
    expect(tap.connections.total).toBe(6);

    await tab.run(`sources[0].close(); ${untilOpen(7)}`);
    await eventually(async () => (await status(server.url)).subscribers === 6, {
      signal: deadline(),
      what: "one has left, one has come",
    });
  });
});

describe.skipIf(noBrowser !== undefined)(`our clients in Chromium${why(noBrowser)}`, () => {
  test.each(names)("SHUTDOWN-2: %s: comes back to a server that was killed", async (name) => {
    const hurried = await optionsFor(name, { pollIntervalMs: 20, retryMs: 20 });
    const options: LaunchOptions = { options: hurried };
    await using first = await launch(name, options);
    await using host = page("same host");
    const before = await publish(first.url, "greeting", 1);
    using tab = await host.open();
    await tab.run(follow(name, first.url));
    await tab.run(untilId(before.id));

    first.kill("SIGKILL");
    await tab.run(`await until(() => seen.includes("retry"))`);
    await using again = await launch(name, { ...options, port: port(first.url) });
    const after = await publish(again.url, "greeting", 2);
    await tab.run(untilId(after.id));
    expect(await tab.run(`return seen.filter(({ id }) => id)`)).toMatchObject([
      before,
      { type: "feed.gap", data: { after: before.id, resumesAt: after.id, reason: "epoch" } },
      after,
    ]);
  });

  test.each([
    ["", ""],
    [" and cannot be iterated", "delete ReadableStream.prototype[Symbol.asyncIterator];"],
  ])("CLIENT-6: sse: leaves at once a stream that has failed%s", async (_, prepare) => {
    await using host = page("same host");
    using tab = await host.open();
    const seen = await tab.run(`${prepare}
      const { subscribe } = await import("/clients/sse.js");
      const frame = (id) => 'id: ' + id + '\\ndata: {"type":"a","time":"","data":1}\\n\\n';
      let fail;
      const start = (stream) => {
        stream.enqueue(new TextEncoder().encode(frame("1-1") + frame("1-2")));
        fail = () => stream.error(new Error("The server has died."));
      };
      const headers = { "content-type": "text/event-stream" };
      globalThis.fetch = async () => new Response(new ReadableStream({ start }), { headers });
      const onNote = ({ kind }) => see(kind);
      for await (const { id } of subscribe("http://localhost", { onNote, minRetryMs: 10 })) {
        see(id);
        fail();
        break;
      }
      return seen;`);
    expect(seen).toEqual(["request", "open", "1-1"]);
  });
});

describe.skipIf(noSecure !== undefined)(`our clients over TLS${why(noSecure)}`, () => {
  test.each(names)("%s: gets everything, and leaves nothing behind", async (name) => {
    await using server = await launch(name, { tls: true });
    await using host = page("same host");
    const first = await publishSecurely(server.url);
    using tab = await host.open();
    await tab.run(follow(name, server.url));
    await tab.run(untilId(first.id));
    const second = await publishSecurely(server.url);
    const seen = await tab.run(untilId(second.id));
    expect(seen).toContainEqual(first);
    expect(seen).not.toContain("retry");
    await tab.run("leaving.abort();");
    await untilHeld(server.url, 0);
  });
});

describe.skipIf(noBrowser !== undefined)(`a page of another origin${why(noBrowser)}`, () => {
  const env = { TIDINGS_TOKEN: "s3cret-for-the-tests" };
  const token = env.TIDINGS_TOKEN;
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const publishAllowed = async (url: string): Promise<FeedEvent> => {
    const body = json({ type: "greeting", data: 1 });
    const event: unknown = await (
      await fetch(`${url}/events`, { method: "POST", headers, body })
    ).json();
    if (!isFeedEvent(event)) throw new Error(`${url} answered ${json(event)}`);
    return event;
  };
  const statusOf = async (url: string): Promise<unknown> =>
    (await fetch(`${url}/status`, { headers })).json();

  test.each(names)(
    "AUTH-3, ORIGIN-4: %s: is served when it is allowed and has the token",
    async (name) => {
      await using host = page("other host");
      await using server = await launch(name, {
        env,
        allowOrigins: [host.origin],
        options: await optionsFor(name, { pollIntervalMs: 20, holdMs: 200 }),
      });
      await publishAllowed(server.url);
      using tab = await host.open();
      await tab.run(follow(name, server.url, token));
      // Polls go through several rounds: those with If-None-Match have a preflight of their own.
      const asked = "seen.filter((what) => what === 'request').length";
      if (name.endsWith("poll")) await tab.run(`await until(() => ${asked} === 5)`);
      const event = await publishAllowed(server.url);
      const seen = await tab.run(untilId(event.id));
      expect(seen).toContainEqual(event);
      expect(seen).not.toContain("retry");
    },
  );

  test.each(names)(
    "ORIGIN-1: %s: gets nothing when it is not allowed, token or not",
    async (name) => {
      await using host = page("other host");
      await using server = await launch(name, { env, allowOrigins: ["https://example.org"] });
      await publishAllowed(server.url);
      using tab = await host.open();
      await tab.run(follow(name, server.url, token));
      const seen = await tab.run(`return until(() => seen.includes("retry"))`);
      expect(seen).not.toContain("open");
      expect(await statusOf(server.url)).toMatchObject({ delivered: 0 });
    },
  );

  const ticket = (url: string) => `
    const { ticket } = await (await fetch(${json(`${url}/tickets`)}, {
      method: "POST",
      headers: { authorization: ${json(`Bearer ${token}`)} },
    })).json();`;

  test.each([
    [
      "EventSource",
      "sse",
      `const go = (url) => {
        const source = new EventSource(url + "/events?after=0-0&ticket=" + ticket);
        source.onmessage = () => see("event");
        source.onerror = () => see(source.readyState === 2 ? "refused" : "lost");
      };`,
    ],
    [
      "WebSocket",
      "ws",
      `const go = (url) => {
        const socket = new WebSocket(url.replace("http", "ws") + "/events?after=0-0&ticket=" + ticket);
        socket.onmessage = ({ data }) => JSON.parse(data).id && see("event");
        socket.onclose = ({ code }) => see(code === 1006 ? "refused" : "lost");
      };`,
    ],
  ])("AUTH-3: a native %s comes in with a ticket, once", async (_, name, script) => {
    await using host = page("other host");
    await using server = await launch(name, { env, allowOrigins: [host.origin] });
    await publishAllowed(server.url);
    using tab = await host.open();
    const seen = await tab.run(`${ticket(server.url)} ${script}
      go(${json(server.url)});
      await until(() => seen.length === 1);
      go(${json(server.url)});
      return until(() => seen.length === 2);`);
    expect(seen).toEqual(["event", "refused"]);
    expect(await statusOf(server.url)).toMatchObject({ delivered: 1 });
  });

  test.each([
    ["EventSource", "sse", "new EventSource(url)"],
    ["WebSocket", "ws", `new WebSocket(url.replace("http", "ws"))`],
  ])("ORIGIN-1: a native %s is refused, though no CORS check guards it", async (_, name, made) => {
    await using host = page("other host");
    await using server = await launch(name);
    await publish(server.url, "greeting", 1);
    using tab = await host.open();
    const seen = await tab.run(`
      const url = ${json(`${server.url}/events?after=0-0`)};
      const line = ${made};
      line.onopen = () => see("open");
      line.onmessage = () => see("event");
      line.onerror = () => see("refused");
      return until(() => seen.length > 0);`);
    expect(seen).toEqual(["refused"]);
    expect(await status(server.url)).toMatchObject({ delivered: 0, subscribers: 0 });
  });

  test.each(names)(
    "ORIGIN-6: %s: gives nothing to a page whose name points at it",
    async (name) => {
      await using server = await launch(name);
      await publish(server.url, "greeting", 1);
      // To the browser, this page is the server's own: it lies at the same name and port.
      using tab = await open(server.url.replace("127.0.0.1", "rebound.example") + "/health");
      const seen = await tab.view.evaluate(`(async () => {
      const headers = { "content-type": "application/json" };
      const body = '{"type":"greeting","data":2}';
      const socket = new WebSocket(location.origin.replace("http", "ws") + "/events?after=0-0");
      const opened = new Promise((resolve) => {
        socket.onopen = () => resolve("open");
        socket.onclose = () => resolve("refused");
      });
      return [
        (await fetch("/events?after=0-0")).status,
        (await fetch("/events", { method: "POST", headers, body })).status,
        await opened,
      ];
    })()`);
      expect(seen).toEqual([403, 403, "refused"]);
      expect(await status(server.url)).toMatchObject({ delivered: 0, published: 1 });
    },
  );
});
