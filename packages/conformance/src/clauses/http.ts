import { Refusal } from "@tidings/shared/client";
import assert from "node:assert/strict";
import type { Clause } from "../clause.ts";
import { eventually, post, publish, status } from "../lane.ts";
import { publishAll, range } from "./delivery.ts";

const MALFORMED_CURSORS = [
  "",
  "-1",
  "1.5",
  "1e3",
  "0x1",
  "\0",
  "9007199254740993",
  "1-9007199254740993",
  "01-1",
  "1-01",
  "1-1 ",
  "１-１",
  "x".repeat(10_000),
];

/** An error answer: the problem document, and nothing of the server's inside. */
const assertProblem = async (response: Response, expected: number, what: string) => {
  const text = await response.text();
  assert.equal(response.status, expected, `${what}: ${text.slice(0, 200)}`);
  assert.equal(response.headers.get("content-type"), "application/problem+json", what);
  const problem = JSON.parse(text);
  assert.equal(problem.status, expected, what);
  for (const member of ["type", "title", "detail"])
    assert.equal(typeof problem[member], "string", `${what}: ${member}`);
  assert.doesNotMatch(text, /\bat .*:\d+:\d+|node_modules|\.ts\b/, `${what}: shows its inside`);
};

export const httpClauses: readonly Clause[] = [
  {
    ids: ["CURSOR-2", "CURSOR-5", "FILTER-2"],
    title: "refuses malformed cursors and filters with 400, and the client says so",
    async run({ start, follow }) {
      const { url } = await start();
      const { id } = await publish(url, "kit.one", 1);
      const ahead = id.replace(/\d+$/, (offset) => `${Number(offset) + 1_000}`);
      const refused = { name: "Refusal", status: 400 } satisfies Partial<Refusal>;
      for (const after of [...MALFORMED_CURSORS, ahead])
        await assert.rejects(follow(url, { after }).opened(), refused, JSON.stringify(after));
      for (const types of [[""], ["A"], ["a..b"], ["a b"], Array(33).fill("a")])
        await assert.rejects(follow(url, { types }).opened(), refused, JSON.stringify(types));
    },
  },
  {
    ids: ["PUBLISH-1", "PUBLISH-2", "PUBLISH-4", "PUBLISH-6", "ERROR-1", "ERROR-2", "EVENT-4"],
    title: "answers bad publishes with their status, and is none the worse for it",
    of: "server",
    async run({ start }) {
      const { url } = await start();
      const first = await publish(url, "kit.first", null);
      const cases: [
        status: number,
        body: string | Uint8Array<ArrayBuffer>,
        contentType?: string,
      ][] = [
        [415, '{"type":"a","data":1}', "text/plain"],
        [415, '{"type":"a","data":1}', "application/x-www-form-urlencoded"],
        [400, ""],
        [400, "{"],
        [400, '{"type":"a","data":1'],
        [400, "{'type':'a'}"],
        [400, new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
        [422, "null"],
        [422, "[]"],
        [422, '"a"'],
        [422, "{}"],
        [422, '{"type":"a"}'],
        [422, '{"data":1}'],
        [422, '{"type":1,"data":1}'],
        [422, '{"type":"","data":1}'],
        [422, '{"type":"A","data":1}'],
        [422, '{"type":"a","data":9007199254740993}'],
        [422, '{"type":"a..b","data":1}'],
        [422, '{"type":"a\\nb","data":1}'],
        [422, `{"type":"${"a".repeat(129)}","data":1}`],
        [422, '{"type":"feed","data":1}'],
        [422, '{"type":"feed.gap","data":1}'],
        [422, '{"type":"a","data":1,"id":"1-1"}'],
      ];
      for (const [expected, body, contentType = "application/json"] of cases) {
        const response = await post(url, body, { "content-type": contentType });
        await assertProblem(response, expected, `${contentType} ${body.slice(0, 40)}`);
      }
      // No offset was spent on any of them.
      const second = await publish(url, "kit.second", null);
      const [epoch, offset] = first.id.split("-");
      assert.equal(second.id, `${epoch}-${Number(offset) + 1}`);
    },
  },
  {
    ids: ["PUBLISH-3"],
    title: "refuses a body over the limit with 413, whether it says its length or not",
    of: "server",
    async run({ start }) {
      const { url } = await start();
      const body = JSON.stringify({ type: "kit.large", data: "x".repeat(70_000) });
      await assertProblem(await post(url, body), 413, "with content-length");
      const half = Math.floor(body.length / 2);
      const chunks = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(body.slice(0, half)));
          controller.enqueue(new TextEncoder().encode(body.slice(half)));
          controller.close();
        },
      });
      await assertProblem(await post(url, chunks), 413, "in chunks");
    },
  },
  {
    ids: ["PUBLISH-5"],
    title: "publishes once for each idempotency key",
    of: "server",
    async run({ start }) {
      const { url } = await start();
      const key = { "idempotency-key": crypto.randomUUID() };
      const body = '{"type":"kit.once","data":{"a":[1]}}';
      const first = await post(url, body, key);
      assert.equal(first.status, 201);
      const event = await first.json();
      const second = await post(url, body, key);
      assert.equal(second.status, 200);
      assert.deepEqual(await second.json(), event);
      const other = await post(url, '{"type":"kit.once","data":{"a":[2]}}', key);
      await assertProblem(other, 422, "another body");
      await assertProblem(
        await post(url, body, { "idempotency-key": "x".repeat(256) }),
        422,
        "key",
      );
    },
  },
  {
    ids: ["ERROR-3"],
    title: "answers unknown paths with 404 and wrong methods with 405 and Allow",
    of: "server",
    async run({ start }) {
      const { url } = await start();
      for (const path of ["/nope", "/events/x", "/.env", "/%00"])
        await assertProblem(await fetch(`${url}${path}`), 404, path);
      for (const [method, path] of [
        ["PUT", "/events"],
        ["PATCH", "/events"],
        ["DELETE", "/events"],
        ["POST", "/status"],
        ["DELETE", "/health"],
      ] as const) {
        const response = await fetch(`${url}${path}`, { method });
        const allow = response.headers.get("allow") ?? "";
        await assertProblem(response, 405, `${method} ${path}`);
        assert.match(allow, path === "/events" ? /POST/ : /GET/, `${method} ${path}: Allow`);
      }
    },
  },
  {
    ids: ["STATUS-1", "HEALTH-1", "HEALTH-2"],
    title: "says how it is: /status and /health",
    of: "server",
    async run({ lane, start }) {
      const { url } = await start();
      const health = await fetch(`${url}/health`);
      assert.equal(health.status, 200);
      const head = await fetch(`${url}/health`, { method: "HEAD" });
      assert.equal(head.status, 200);
      assert.equal(await head.text(), "");
      const before = await status(url);
      const { id } = await publish(url, "kit.status", 1);
      const after = await status(url);
      assert.equal(after.technique, lane.technique.name);
      assert.equal(after.newest, id);
      assert.equal(after.published, Number(before.published) + 1);
      for (const member of ["epoch", "subscribers", "delivered", "bytesOut", "rssBytes"])
        assert.equal(typeof after[member], "number", member);
      assert.ok(after.dropped === null || typeof after.dropped === "number", "dropped");
    },
  },
  {
    ids: ["STATUS-1", "HEALTH-2"],
    title: "counts an event once for each subscriber that it was delivered to, and none for HEAD",
    async run({ start, follow, deadline }) {
      const { url } = await start();
      const { id } = await publish(url, "kit.count", "before");
      const published = await publishAll(url, "kit.count", range(1, 5));
      const before = await status(url);
      const counts = async () => {
        const { delivered, bytesOut } = await status(url);
        return [delivered, bytesOut].map(Number);
      };
      await fetch(`${url}/events?after=${id}`, { method: "HEAD" });
      assert.deepEqual(await counts(), [before.delivered, before.bytesOut]);
      const followers = [1, 2].map(() => follow(url, { after: id }));
      for (const each of followers) await each.reached(published.at(-1)!.id);
      const delivered = Number(before.delivered) + 2 * published.length;
      // A webhook is delivered when its answer has come back.
      const counted = async () => (await counts())[0] === delivered;
      await eventually(counted, { signal: deadline, what: `status.delivered is ${delivered}` });
      const bytes = 2 * published.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
      assert.ok((await counts())[1]! > Number(before.bytesOut) + bytes, "bytesOut");
    },
  },
  {
    ids: ["STATUS-1"],
    title: "counts the bytes of heartbeats and of empty answers, and no event for them",
    needs: "held",
    async run({ start, follow, deadline }) {
      const { url } = await start();
      await follow(url).opened();
      const before = await status(url);
      const beaten = async () => Number((await status(url)).bytesOut) > Number(before.bytesOut);
      for (const what of ["a first heartbeat", "another one"]) {
        await eventually(beaten, { signal: deadline, what });
        Object.assign(before, { bytesOut: (await status(url)).bytesOut });
      }
      assert.equal((await status(url)).delivered, before.delivered);
    },
  },
  {
    ids: ["ORIGIN-1", "ORIGIN-2", "ORIGIN-4"],
    title: "takes requests of its own host's pages, and refuses those of others with 403",
    of: "server",
    async run({ start }) {
      const { url } = await start();
      const body = '{"type":"kit.page","data":1}';
      for (const origin of ["https://example.org", "null", "http://127.0.0.1.example.org"])
        await assertProblem(await post(url, body, { origin }), 403, origin);
      const own = await post(url, body, { origin: "http://127.0.0.1:9" });
      assert.equal(own.status, 201);
      assert.equal(own.headers.get("access-control-allow-origin"), "http://127.0.0.1:9");
      assert.match(own.headers.get("vary") ?? "", /origin/i);
    },
  },
  {
    ids: ["ORIGIN-6", "ORIGIN-2"],
    title: "refuses pages that have pointed their own name at it (DNS rebinding)",
    of: "server",
    async run({ start }) {
      const { url } = await start();
      const host = `rebound.example:${new URL(url).port}`;
      const origin = `http://${host}`;
      const body = '{"type":"kit.page","data":1}';
      await assertProblem(await post(url, body, { host, origin }), 403, "a page's publish");
      // A page that reads from its own host sends no origin. (A provider has nothing to read.)
      const read = await fetch(`${url}/events?after=0-0`, { headers: { host } });
      await assertProblem(read, read.headers.has("allow") ? 405 : 403, "a page's read");
      const status = await fetch(`${url}/status`, { headers: { host } });
      await assertProblem(status, 403, "a page's look at the status");
      // It says nothing but that the server works, to balancers of any name.
      assert.equal((await fetch(`${url}/health`, { headers: { host } })).status, 200);
      // Neither does a program, which nobody can fool with a name.
      assert.equal((await post(url, body, { host })).status, 201);
    },
  },
];
