import { Problem, type FeedEvent } from "@tidings/shared";
import { Feed } from "@tidings/shared/server";
import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { server, type Options } from "../src/server.ts";

const STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GITHUB = "It's a Secret to Everybody";
const STRIPE = "whsec_of_stripe";

const start = (options: Partial<Options> = {}) => {
  const events: FeedEvent[] = [];
  const app = server({
    feed: new Feed(),
    secrets: { standard: [STANDARD], github: [GITHUB], stripe: [STRIPE] },
    onEvent: (event) => events.push(event),
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
  test("of Standard Webhooks is handed on as it was published, and GET /events shows it", async () => {
    const { events, ask, post } = start();
    const { status, json } = await post("/webhooks/standard", standard("1-7", BODY));
    expect(status).toBe(200);
    expect(json).toEqual({ id: "1-7", duplicate: false });
    const event = { id: "1-7", type: "a.b", time: TIME, data: { x: 1 } };
    expect(events).toEqual([event]);
    const page = (await ask("/events?after=0-0")).json;
    expect(page.events).toMatchObject([{ type: "webhook.standard", data: event }]);
    expect(page.cursor).toBe(page.events[0].id);
    expect((await ask(`/events?after=${page.cursor}`)).json.events).toEqual([]);
  });

  test("CONSUMER-5: of GitHub's, and its ping", async () => {
    const { events, post } = start();
    for (const [delivery, type, body] of [
      ["d-1", "ping", '{"zen":"Keep it logically awesome."}'],
      ["d-2", "pull_request", '{"action":"opened"}'],
    ] as const) {
      const signature = createHmac("sha256", GITHUB).update(body).digest("hex");
      const headers = {
        ...json,
        "x-github-delivery": delivery,
        "x-github-event": type,
        "x-hub-signature-256": `sha256=${signature}`,
      };
      expect((await post("/webhooks/github", { body, headers })).status).toBe(200);
      expect(events.at(-1)).toMatchObject({ id: delivery, type, data: JSON.parse(body) });
    }
  });

  test("CONSUMER-6: of Stripe's", async () => {
    const { events, post } = start();
    const event = { id: "evt_1", type: "charge.succeeded", created: 1_700_000_000, data: { a: 1 } };
    const body = JSON.stringify(event);
    const t = seconds();
    const v1 = createHmac("sha256", STRIPE).update(`${t}.${body}`).digest("hex");
    const headers = { ...json, "stripe-signature": `t=${t},v1=${v1}` };
    expect((await post("/webhooks/stripe", { body, headers })).status).toBe(200);
    expect(events).toEqual([
      { id: "evt_1", type: "charge.succeeded", time: "2023-11-14T22:13:20.000Z", data: { a: 1 } },
    ]);
  });
});

describe("CONSUMER-7, CONSUMER-8: duplicates", () => {
  test("fifty at once are fifty times 200, and one effect", async () => {
    const { events, post } = start();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post("/webhooks/standard", standard("1-1", BODY))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(answers.filter((answer) => !answer.json.duplicate)).toHaveLength(1);
    expect(events).toHaveLength(1);
  });

  test("the same id of another sender is another event", async () => {
    const { events, post } = start();
    await post("/webhooks/standard", standard("d-1", BODY));
    const signature = createHmac("sha256", GITHUB).update(BODY).digest("hex");
    const headers = {
      ...json,
      "x-github-delivery": "d-1",
      "x-github-event": "push",
      "x-hub-signature-256": `sha256=${signature}`,
    };
    await post("/webhooks/github", { body: BODY, headers });
    expect(events).toHaveLength(2);
  });

  test("a failure is a 5xx without its reason, and the retry is processed", async () => {
    let fails = true;
    const seen: string[] = [];
    const { post } = start({
      onEvent: ({ id }) => {
        if (fails) throw new Problem(503, "later", { "retry-after": "1" });
        seen.push(id);
      },
    });
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(503);
    fails = false;
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(200);
    expect(seen).toEqual(["1-1"]);
  });

  test("what takes too long is told to come back, and is not done again", async () => {
    const work = Promise.withResolvers<void>();
    let effects = 0;
    const { post } = start({
      answerMs: 1,
      onEvent: () => {
        effects++;
        return work.promise;
      },
    });
    const late = await post("/webhooks/standard", standard("1-1", BODY));
    expect(late.status).toBe(503);
    expect(late.headers.get("retry-after")).toBe("5");
    work.resolve();
    const { status } = await post("/webhooks/standard", standard("1-1", BODY));
    expect(status).toBe(200);
    expect(effects).toBe(1);
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
      "no data",
      400,
      "/webhooks/standard",
      standard("1-1", '{"type":"a","timestamp":"2026-01-02T03:04:05Z"}'),
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

  test("without a secret everything", async () => {
    const { post } = start({ secrets: {} });
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(401);
  });

  test("what was refused can still come: its id is not taken", async () => {
    const { events, post } = start();
    const wrong = standard("1-1", BODY, { "webhook-signature": "v1,AAAA" });
    expect((await post("/webhooks/standard", wrong)).status).toBe(401);
    expect((await post("/webhooks/standard", standard("1-1", BODY))).status).toBe(200);
    expect(events).toHaveLength(1);
  });
});
