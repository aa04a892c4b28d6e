import { Elysia } from "elysia";
import { isEventType, Problem } from "@tidings/shared";
import { readJson, type Contract } from "@tidings/shared/server";
import { judge, readUrl, type GuardOptions } from "./address.ts";
import type { Attempt } from "./attempt.ts";
import type { Outbox } from "./outbox.ts";
import { readChange, readFields, readRegistration, readText } from "./registration.ts";
import type { Endpoint } from "./registry.ts";
import type { Seats } from "./seats.ts";
import { newSecret } from "./wire.ts";

export interface EndpointsOptions extends GuardOptions {
  /** How long a rotated secret goes on signing, in milliseconds. Default 86,400,000: a day. */
  rotationMs?: number | undefined;
  /** Largest body of a request, in bytes; more is a 413. Default 65,536. */
  maxBodyBytes?: number | undefined;
}

/** What the server lends to its endpoints' routes. */
interface Parts {
  readonly outbox: Outbox;
  readonly options: EndpointsOptions;
  readonly ratePerSecond: number;
  readonly common: Contract;
  readonly register: (
    request: Request,
    type?: string,
  ) => Promise<{ endpoint: Endpoint; cursor: string }>;
  /** One attempt, here and now. */
  readonly send: (endpoint: Endpoint, id: string, body: string) => Promise<Attempt>;
  /** Where one that nobody waits for finds room. */
  readonly seats: Seats;
  /** Makes an endpoint's line see that it was changed. */
  readonly renew: (id: string) => void;
  readonly close: (id: string) => void;
}

// The secret is not part of it: it is shown once, in the answer that makes it. Of headers only the
// names are, because their values are secrets as well. [PROVIDER-20]
const show = (endpoint: Endpoint) => ({
  id: endpoint.id,
  url: endpoint.url,
  types: endpoint.types ?? null,
  ordered: endpoint.ordered,
  headers: Object.keys(endpoint.headers),
  ratePerSecond: endpoint.ratePerSecond ?? null,
  disabled: endpoint.disabled ?? null,
  createdAt: new Date(endpoint.createdAt).toISOString(),
});

const unknownEndpoint = () => new Problem(404, "id: there is no such endpoint.");

const must = (found: boolean): void => {
  if (!found) throw unknownEndpoint();
};

/** The API that endpoints are managed with, and the plain form of it that guides teach. [PROVIDER-6] */
export const endpoints = (parts: Parts) => {
  const { outbox, options, ratePerSecond, register, send, seats, renew, close } = parts;
  const { feed, accept, reply, replyJson } = parts.common;
  const { rotationMs = 86_400_000, maxBodyBytes = 65_536 } = options;

  const find = async (id: string) => {
    const endpoint = await outbox.endpoint(id);
    if (!endpoint) throw unknownEndpoint();
    return endpoint;
  };
  const remove = async (id: string) => {
    must(await outbox.remove(id));
    close(id);
  };
  let seatless = 0;
  const ping = async (endpoint: Endpoint, type: string) => {
    // Not an event of the feed: it has no place there, is sent once, and is never tried again.
    seatless++;
    await seats.wait();
    seatless--;
    const time = new Date().toISOString();
    const body = JSON.stringify({ type, timestamp: time, data: { endpoint: endpoint.id } });
    return send(endpoint, `${type}_${Bun.randomUUIDv7()}`, body).finally(() => seats.give());
  };
  const created = async (request: Request, type?: string) => {
    const { endpoint, cursor } = await register(request, type);
    const [secret] = endpoint.secrets;
    return replyJson(request, { ...show(endpoint), secret, cursor }, 201);
  };

  return (
    new Elysia({ name: "endpoints" })
      .post("/endpoints", ({ request }) => created(request))
      .get("/endpoints", async ({ request }) => {
        accept(request);
        return replyJson(request, { endpoints: (await outbox.endpoints()).map(show) });
      })
      .get("/endpoints/:id", async ({ request, params }) => {
        accept(request);
        const endpoint = await find(params.id);
        const { waiting, cursor } = endpoint;
        const place = waiting === 0 ? cursor : null;
        return replyJson(request, { ...show(endpoint), waiting, cursor: place });
      })
      .patch("/endpoints/:id", async ({ request, params }) => {
        accept(request);
        const change = readChange(await readJson(request, maxBodyBytes), ratePerSecond);
        if (change.url !== undefined) await judge(readUrl(change.url), options);
        must(await outbox.change(params.id, change));
        renew(params.id);
        return replyJson(request, show(await find(params.id)));
      })
      .delete("/endpoints/:id", async ({ request, params }) => {
        accept(request);
        await remove(params.id);
        return reply(request, null, {}, 204);
      })
      .post("/endpoints/:id/rotate", async ({ request, params }) => {
        accept(request);
        const secret = newSecret();
        const formerUntil = Date.now() + rotationMs;
        must(await outbox.rotate(params.id, secret, formerUntil));
        renew(params.id);
        const until = new Date(formerUntil).toISOString();
        return replyJson(request, { id: params.id, secret, formerSecretSignsUntil: until });
      })
      .post("/endpoints/:id/enable", async ({ request, params }) => {
        accept(request);
        must(await outbox.disable(params.id, null));
        renew(params.id);
        return replyJson(request, show(await find(params.id)));
      })
      .post("/endpoints/:id/disable", async ({ request, params }) => {
        accept(request);
        must(await outbox.disable(params.id, "request"));
        renew(params.id);
        return replyJson(request, show(await find(params.id)));
      })
      // Sends at once, and answers with how it went.
      .post("/endpoints/:id/test", async ({ request, params }) => {
        accept(request);
        const { at, ms, status, error, answer } = await ping(await find(params.id), "test");
        return replyJson(request, { at: new Date(at).toISOString(), ms, status, error, answer });
      })
      // One event, whatever became of it, or all that the feed holds after a cursor.
      .post("/endpoints/:id/replay", async ({ request, params }) => {
        accept(request);
        const { id, after } = readFields(await readJson(request, maxBodyBytes), ["id", "after"]);
        if ((id === undefined) === (after === undefined))
          throw new Problem(422, "body: needs either id or after.");
        if (after !== undefined)
          must(await outbox.replay(params.id, feed.since(readText("after", after))));
        else if (!(await outbox.replayOne(params.id, readText("id", id))))
          throw new Problem(
            404,
            "id: there is no such endpoint, or the event is not kept any more.",
          );
        renew(params.id);
        return reply(request, null, {}, 204);
      })
      .get("/endpoints/:id/deliveries", async ({ request, params }) => {
        accept(request);
        await find(params.id);
        return replyJson(request, { deliveries: await outbox.deliveries(params.id) });
      })

      // A provider delivers only by calling. [PROVIDER-19]
      .get("/events", () => {
        const cure = 'register an endpoint with POST /endpoints {"url"}.';
        throw new Problem(405, `method: events are not fetched here; ${cure}`, { allow: "POST" });
      })
      // The plain form: the path is the type, the body is the address. [PROVIDER-8]
      .post("/:a/:b", async ({ request, params: { a, b } }) => created(request, plainType(a, b)))
      .delete("/:a/:b", async ({ request, params: { a, b } }) => {
        accept(request);
        const type = plainType(a, b);
        const { url } = readRegistration(
          await readJson(request, maxBodyBytes),
          ratePerSecond,
          type,
        );
        const mine = (await outbox.endpoints()).filter(
          ({ types, ...endpoint }) => endpoint.url === url && types?.join() === type,
        );
        if (mine.length === 0) throw new Problem(404, `url: is not subscribed to ${type}.`);
        for (const { id } of mine) await remove(id);
        return reply(request, null, {}, 204);
      })
      .all("/:a/:b", ({ params: { a, b } }) => {
        plainType(a, b);
        throw wrongMethod("DELETE, POST");
      })
      .get("/ping", async ({ request }) => {
        accept(request);
        // Each round asks for many seats; with more than one it would be retries that wait.
        if (seatless > 0) throw stillPinging();
        const called = (await outbox.endpoints()).filter(({ disabled }) => !disabled);
        for (const endpoint of called) void ping(endpoint, "ping");
        return replyJson(request, { called: called.length }, 202);
      })
  );
};

// Paths whose first word is one of the contract's own are no types.
const TAKEN = ["events", "tickets", "status", "health", "ping", "feed"];

const plainType = (a: string, b: string): string => {
  if (a === "endpoints") throw wrongMethod("DELETE, GET, HEAD, PATCH");
  const type = `${a}.${b}`;
  if (TAKEN.includes(a) || !isEventType(type))
    throw new Problem(404, "path: there is nothing here; a type is /payment/success, for example.");
  return type;
};

const stillPinging = () =>
  new Problem(503, "ping: the last one still goes on; come back after Retry-After.", {
    "retry-after": "5",
  });

const wrongMethod = (allow: string) =>
  new Problem(405, `method: this path takes ${allow}.`, { allow });
