import assert from "node:assert/strict";
import type { Clause } from "../clause.ts";
import { sameEvents } from "../follower.ts";
import { eventually, publish, status } from "../lane.ts";
import { range } from "./delivery.ts";

export const limitClauses: readonly Clause[] = [
  {
    ids: ["LIMIT-2"],
    title: "never holds more subscribers than it may, and takes the others in when seats are free",
    needs: "held",
    intrusive: true,
    async run({ start, follow, deadline }) {
      const { url } = await start({ options: { maxSubscribers: 3 } });
      const full = async () => {
        const { subscribers } = await status(url);
        assert.ok(Number(subscribers) <= 3, `${subscribers} subscribers`);
        return subscribers === 3;
      };
      const first = range(1, 3).map(() => follow(url, { after: "0-0" }));
      await eventually(full, { signal: deadline, what: "3 subscribers" });
      const flood = range(1, 20).map(() => follow(url, { after: "0-0" }));
      for (const each of flood)
        await each.until(() => each.notes.some(({ kind }) => kind === "retry"), "a refusal");
      // Between two polls a seat is free for a moment.
      await eventually(full, { signal: deadline, what: "3 subscribers again" });
      await Promise.all([...first, ...flood.slice(3)].map((each) => each.stop()));
      const event = await publish(url, "kit.seat", 1);
      for (const each of flood.slice(0, 3)) {
        await each.reached(event.id);
        sameEvents(each.events, [event]);
      }
    },
  },
  {
    ids: ["AUTH-1", "AUTH-3", "CLIENT-4", "CLIENT-7"],
    title: "lets nobody in without the token, and everybody with it",
    intrusive: true,
    async run({ start, follow }) {
      const token = "a-token-of-the-kit";
      const { url } = await start({ env: { TIDINGS_TOKEN: token } });
      const body = JSON.stringify({ type: "kit.secret", data: 1 });
      const json = { "content-type": "application/json" };
      for (const path of ["/events", "/tickets"]) {
        const refused = await fetch(`${url}${path}`, { method: "POST", headers: json, body });
        assert.equal(refused.status, 401, path);
        assert.ok(refused.headers.get("www-authenticate"), path);
      }
      await assert.rejects(follow(url).opened(), { name: "Refusal", status: 401 });
      await assert.rejects(follow(url, { token: "wrong" }).opened(), { status: 401 });

      const follower = await follow(url, { token }).opened();
      const headers = { ...json, authorization: `Bearer ${token}` };
      const published = await fetch(`${url}/events`, { method: "POST", headers, body });
      assert.equal(published.status, 201);
      const event = (await published.json()) as { id: string };
      await follower.reached(event.id);
      const text = await (await fetch(`${url}/status`, { headers })).text();
      assert.ok(!text.includes(token));
    },
  },
  {
    ids: ["AUTH-1", "LIMIT-2", "WS-1"],
    title: "asks for the token before it says that there is no seat",
    needs: "held",
    intrusive: true,
    async run({ start, follow }) {
      const token = "a-token-of-the-kit";
      const env = { TIDINGS_TOKEN: token };
      const { url } = await start({ env, options: { maxSubscribers: 0 } });
      const headers = { authorization: `Bearer ${token}` };
      const { newest } = (await (await fetch(`${url}/status`, { headers })).json()) as {
        newest: string;
      };
      // A poll that has a cursor is one that would be held.
      await assert.rejects(follow(url, { after: newest }).opened(), { status: 401 });
      assert.equal((await fetch(`${url}/events?after=${newest}`)).status, 401);
      const known = follow(url, { after: newest, token });
      await known.until(() => known.notes.some(({ kind }) => kind === "retry"), "a refusal");
    },
  },
  {
    ids: ["AUTH-3"],
    title: "takes a ticket once, for subscribing, and neither for publishing nor for tickets",
    of: "server",
    intrusive: true,
    async run({ start }) {
      const token = "a-token-of-the-kit";
      const { url } = await start({ env: { TIDINGS_TOKEN: token } });
      const authorization = `Bearer ${token}`;
      const issued = await fetch(`${url}/tickets`, { method: "POST", headers: { authorization } });
      assert.equal(issued.status, 201);
      assert.equal(issued.headers.get("cache-control"), "no-store");
      const { ticket, expiresInMs } = (await issued.json()) as Record<string, unknown>;
      assert.equal(typeof expiresInMs, "number");
      const statusOf = async (method: string, path: string, body: string | null = null) => {
        const leaving = new AbortController();
        const headers = { "content-type": "application/json" };
        const { signal } = leaving;
        const query = `?ticket=${ticket}`;
        const answer = await fetch(`${url}${path}${query}`, { method, headers, body, signal });
        leaving.abort();
        return answer.status;
      };
      const body = JSON.stringify({ type: "kit.secret", data: 1 });
      assert.equal(await statusOf("POST", "/tickets"), 401, "a ticket for a ticket");
      assert.equal(await statusOf("POST", "/events", body), 401, "a ticket to publish with");
      assert.equal(await statusOf("GET", "/status"), 401, "a ticket for the status");
      // Whatever the technique answers to a plain GET, it is not that a token is missing.
      assert.notEqual(await statusOf("GET", "/events"), 401, "a fresh ticket");
      assert.equal(await statusOf("GET", "/events"), 401, "a used ticket");
    },
  },
  {
    ids: ["WS-6", "WS-7"],
    title: "takes events over the client's own connection, and answers nonsense with an error",
    needs: "bidirectional",
    async run({ start, follow, deadline }) {
      const { url } = await start();
      const follower = await follow(url).opened();
      const socket = new WebSocket(`${url.replace(/^http/, "ws")}/events`);
      const answers: Record<string, unknown>[] = [];
      const next = Promise.withResolvers<void>();
      const sent = [
        '{"type":"publish","event":{"type":"kit.said","data":{"a":1}}}',
        "not json",
        "123",
        '"q"',
        "[]",
        '{"type":"shout"}',
        '{"type":"publish","event":{"type":"feed.gap","data":1}}',
        new Uint8Array([1, 2, 3]),
        '{"type":"ping"}',
      ];
      socket.onopen = () => sent.forEach((message) => socket.send(message));
      socket.onmessage = ({ data }) => {
        const said = JSON.parse(String(data));
        if (!("id" in said) && said.type !== "heartbeat") answers.push(said);
        if (answers.length === sent.length) next.resolve();
      };
      socket.onclose = () => next.reject(new Error("the socket was closed"));
      deadline.addEventListener("abort", () => next.reject(new Error(`${answers.length} answers`)));
      await next.promise;
      socket.onclose = null;
      socket.close();
      const outcome = answers.map(({ type, status: code }) => code ?? type);
      // A publish is answered when it is done, so only the order of each kind is certain.
      assert.deepEqual(outcome.map(String).sort(), [
        "400",
        "400",
        "400",
        "400",
        "400",
        "400",
        "422",
        "pong",
        "published",
      ]);
      await follower.until(() => follower.events.length > 0, "the event");
      assert.deepEqual(follower.events[0]?.data, { a: 1 });
    },
  },
];
