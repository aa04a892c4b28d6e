import type { FeedEvent } from "@tidings/shared";
import { Feed } from "@tidings/shared/server";
import { describe, expect, spyOn, test } from "bun:test";
import { createHmac } from "node:crypto";
import { server, type Options } from "../src/server.ts";

const STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GITHUB = "It's a Secret to Everybody";
const STRIPE = "whsec_of_stripe";

/** A consumer whose events can be waited for; `before` runs before each takes effect. */
const start = ({
  before,
  ...options
}: Partial<Options> & { before?: (attempt: number) => unknown } = {}) => {
  const events: FeedEvent[] = [];
  const waits = new Set<() => void>();
  const app = server({
    feed: new Feed(),
    secrets: { standard: [STANDARD], github: [GITHUB], stripe: [STRIPE] },
    onEvent: async (event, _, attempt) => {
      await before?.(attempt);
      events.push(event);
      // What is waited for has then happened, its place in the feed included.
      setImmediate(() => waits.forEach((check) => check()));
    },
    ...options,
  });
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await app.handle(new Request(`http://localhost${path}`, init));
    const json = JSON.parse(await response.text());
    return { status: response.status, headers: response.headers, json };
  };
  return {
    events,
    ask,
    post: (path: string, init: RequestInit) => ask(path, { method: "POST", ...init }),
    /** Until so many events have had their effect. */
    async until(count: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = () => events.length >= count && resolve();
      waits.add(check);
      check();
      await promise;
    },
  };
};

const seconds = () => Math.floor(Date.now() / 1000);
const json = { "content-type": "application/json" };

const standard = (id: string, body: string, headers: Record<string, string> = {}): RequestInit => {
  const timestamp = `${seconds()}`;
  const key = Buffer.from(STANDARD.slice(6), "base64");
  const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`);
  return {
    body,
    headers: {
      ...json,
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${hmac.digest("base64")}`,
      ...headers,
    },
  };
};

const TIME = "2026-01-02T03:04:05.678Z";
const BODY = JSON.stringify({ type: "a.b", timestamp: TIME, data: { x: 1 } });

describe("a verified delivery", () => {
  test("CONSUMER-11: of Standard Webhooks is handed on as it was published, and GET /events shows it", async () => {
    const { events, ask, post, until } = start();
    const { status, json } = await post("/webhooks/standard", standard("1-7", BODY));
    expect(status).toBe(200);
    expect(json).toEqual({ id: "1-7", duplicate: false });
    await until(1);
    const event = { id: "1-7", type: "a.b", time: TIME, data: { x: 1 } };
    expect(events).toEqual([event]);
    const page = (await ask("/events?after=0-0")).json;
    expect(page.events).toMatchObject([{ type: "webhook.standard", data: event }]);
    expect(page.cursor).toBe(page.events[0].id);
    expect((await ask(`/events?after=${page.cursor}`)).json.events).toEqual([]);
  });

  test("CONSUMER-11: of Standard Webhooks may look otherwise than the spec recommends", async () => {
    const { events, post, until } = start();
    // A publish with such a number is refused (PUBLISH-4).
    const body = { type: "Contact.Created-v2", contact: 2 ** 60 };
    const sent = standard("1-8", JSON.stringify(body));
    expect((await post("/webhooks/standard", sent)).status).toBe(200);
    await until(1);
    const seconds = Number(new Headers(sent.headers).get("webhook-timestamp"));
    const time = new Date(seconds * 1000).toISOString();
    expect(events).toEqual([{ id: "1-8", type: "Contact.Created-v2", time, data: body }]);
  });

  test("CONSUMER-5: of GitHub's, and its ping", async () => {
    const { events, post, until } = start();
    for (const [n, [delivery, type, body]] of [
      ["d-1", "ping", '{"zen":"Keep it logically awesome."}'] as const,
      ["d-2", "pull_request", '{"action":"opened"}'] as const,
    ].entries()) {
      const signature = createHmac("sha256", GITHUB).update(body).digest("hex");
      const headers = {
        ...json,
        "x-github-delivery": delivery,
        "x-github-event": type,
        "x-hub-signature-256": `sha256=${signature}`,
      };
      expect((await post("/webhooks/github", { body, headers })).status).toBe(200);
      await until(n + 1);
      expect(events.at(-1)).toMatchObject({ id: delivery, type, data: JSON.parse(body) });
    }
  });

  test("CONSUMER-6: of Stripe's", async () => {
    const { events, post, until } = start();
    const event = { id: "evt_1", type: "charge.succeeded", created: 1_700_000_000, data: { a: 1 } };
    const body = JSON.stringify(event);
    const t = seconds();
    const v1 = createHmac("sha256", STRIPE).update(`${t}.${body}`).digest("hex");
    const headers = { ...json, "stripe-signature": `t=${t},v1=${v1}` };
    expect((await post("/webhooks/stripe", { body, headers })).status).toBe(200);
    await until(1);
    expect(events).toEqual([
      { id: "evt_1", type: "charge.succeeded", time: "2023-11-14T22:13:20.000Z", data: { a: 1 } },
    ]);
  });
});

describe("CONSUMER-7, CONSUMER-8: duplicates", () => {
  test("fifty at once are fifty times 200, and one effect", async () => {
    const { events, post, until } = start();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post("/webhooks/standard", standard("1-1", BODY))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(answers.filter((answer) => !answer.json.duplicate)).toHaveLength(1);
    await until(1);
    expect(events).toHaveLength(1);
  });

  test("the same id of another sender is another event", async () => {
    const { post, until } = start();
    await post("/webhooks/standard", standard("d-1", BODY));
    const signature = createHmac("sha256", GITHUB).update(BODY).digest("hex");
    const headers = {
      ...json,
      "x-github-delivery": "d-1",
      "x-github-event": "push",
      "x-hub-signature-256": `sha256=${signature}`,
    };
    const { json: second } = await post("/webhooks/github", { body: BODY, headers });
    expect(second).toEqual({ id: "d-1", duplicate: false });
    await until(2);
  });

  test("CONSUMER-8: the answer comes before the work, and the work is done all the same", async () => {
    const goOn = Promise.withResolvers<void>();
    const { events, post, until } = start({ before: () => goOn.promise });
    const { status } = await post("/webhooks/standard", standard("1-1", BODY));
    expect(status).toBe(200);
    expect(events).toEqual([]);
    goOn.resolve();
    await until(1);
  });

  test("CONSUMER-8: work that fails is the inbox's affair: nothing of it is told to the sender", async () => {
    const log = spyOn(console, "error").mockImplementation(() => {});
    const attempts: number[] = [];
    const { post, until } = start({
      minRetryMs: 1,
      before: (attempt) => {
        attempts.push(attempt);
        if (attempt < 3) throw new Error("not yet");
      },
    });
    const { status, json } = await post("/webhooks/standard", standard("1-1", BODY));
    expect(status).toBe(200);
    expect(json).toEqual({ id: "1-1", duplicate: false });
    await until(1);
    expect(attempts).toEqual([1, 2, 3]);
    log.mockRestore();
  });

  test("CONSUMER-12: a full inbox is a 503 with Retry-After, and a duplicate is a 200 all the same", async () => {
    const goOn = Promise.withResolvers<void>();
    const { post, until } = start({ maxWaiting: 2, before: () => goOn.promise });
    for (const id of ["1-1", "1-2"])
      expect((await post("/webhooks/standard", standard(id, BODY))).status).toBe(200);
    const full = await post("/webhooks/standard", standard("1-3", BODY));
    expect(full.status).toBe(503);
    expect(full.headers.get("retry-after")).toBe("5");
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(200);
    goOn.resolve();
    // When the second one runs, the first one has left.
    await until(2);
    const later = await post("/webhooks/standard", standard("1-3", BODY));
    expect(later.json).toEqual({ id: "1-3", duplicate: false });
  });
});

describe("CONSUMER-9: what is not taken", () => {
  const unsigned = { body: BODY, headers: json };
  const broken = new Uint8Array([0x7b, 0xff, 0x7d]);
  for (const [what, status, path, init] of [
    ["no signature", 401, "/webhooks/standard", unsigned],
    ["no signature of GitHub's", 401, "/webhooks/github", unsigned],
    ["no signature of Stripe's", 401, "/webhooks/stripe", unsigned],
    [
      "a bad signature, whatever the body is",
      401,
      "/webhooks/standard",
      { ...standard("1-1", BODY), body: "{" },
    ],
    [
      "a bad signature of bytes that are not UTF-8",
      401,
      "/webhooks/standard",
      { ...standard("1-1", BODY), body: broken },
    ],
    [
      "another media type",
      415,
      "/webhooks/standard",
      standard("1-1", BODY, { "content-type": "text/plain" }),
    ],
    [
      "a form",
      415,
      "/webhooks/standard",
      standard("1-1", BODY, { "content-type": "application/x-www-form-urlencoded" }),
    ],
    ["no JSON", 400, "/webhooks/standard", standard("1-1", "{")],
    ["no object", 400, "/webhooks/standard", standard("1-1", "[]")],
    [
      "no type",
      400,
      "/webhooks/standard",
      standard("1-1", '{"timestamp":"2026-01-02T03:04:05Z","data":1}'),
    ],
    [
      "no type",
      400,
      "/webhooks/standard",
      standard("1-1", '{"timestamp":"2026-01-02T03:04:05Z","data":1}'),
    ],
    [
      "no time",
      400,
      "/webhooks/standard",
      standard("1-1", '{"type":"a","timestamp":"soon","data":1}'),
    ],
    ["a long id", 401, "/webhooks/standard", standard("x".repeat(256), BODY)],
    ["a large body", 413, "/webhooks/standard", standard("1-1", `{"a":"${"x".repeat(65_536)}"}`)],
    ["another method", 405, "/webhooks/standard", { method: "GET" }],
    ["another sender", 404, "/webhooks/nobody", unsigned],
  ] as const)
    test(`${what}: ${status}`, async () => {
      const { events, post } = start();
      const answer = await post(path, init);
      expect(answer.status).toBe(status);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(events).toEqual([]);
    });

  test("CONSUMER-3: secrets that cannot be any are refused at the start, by their place", () => {
    for (const [secrets, message] of [
      ['{"standard":["whsec_short"]}', "secrets.standard[0]: must be `whsec_` and 24 to 64 bytes"],
      ['{"github":["good","bad\\n"]}', "secrets.github[1]: must be a text without white space"],
      ['{"stripe":[7]}', "secrets.stripe[0]: must be a text."],
      ['{"stripe":"whsec_of_stripe"}', "secrets.stripe: must be a list."],
      ['{"gitlab":[]}', "secrets.gitlab: no such sender; there are standard, github, stripe."],
    ] as const)
      // As they come from a configuration, which no compiler has seen.
      expect(() => start({ secrets: JSON.parse(secrets) })).toThrow(message);
  });

  test("options that name no place are refused at the start", () => {
    for (const [options, message] of [
      ['{"database":""}', "database: must be the path of a file, or `:memory:`."],
      ['{"database":7}', "database: must be the path of a file, or `:memory:`."],
      ['{"provider":"nowhere"}', "provider: must be an http or https URL."],
      ['{"publicUrl":"nowhere"}', "publicUrl: must be an http or https URL."],
      ['{"provider":"ftp://127.0.0.1"}', "provider: must be an http or https URL."],
    ] as const)
      expect(() => start(JSON.parse(options))).toThrow(new RangeError(message));
  });

  test("without a secret everything", async () => {
    const { post } = start({ secrets: {} });
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(401);
  });

  test("what was refused can still come: its id is not taken", async () => {
    const { post, until } = start();
    const wrong = standard("1-1", BODY, { "webhook-signature": "v1,AAAA" });
    expect((await post("/webhooks/standard", wrong)).status).toBe(401);
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(200);
    await until(1);
  });
});
