import { Elysia } from "elysia";
import { isEventType, Problem, type Json } from "@tidings/shared";
import { readJson, type Contract, type Feed } from "@tidings/shared/server";
import { judge, readUrl, type GuardOptions } from "./address.ts";
import type { Attempt } from "./attempt.ts";
import type { Endpoint, Outbox } from "./outbox.ts";
import { newSecret } from "./wire.ts";

/** What an endpoint's owner asks for. */
export interface Registration {
  readonly url: string;
  readonly types: readonly string[] | undefined;
  readonly after: string | undefined;
  readonly ordered: boolean;
}

export interface EndpointsOptions extends GuardOptions {
  /** How long a rotated secret goes on signing, in milliseconds. Default 86,400,000: a day. */
  rotationMs?: number | undefined;
  /** Largest body of a request, in bytes; more is a 413. Default 65,536. */
  maxBodyBytes?: number | undefined;
}

/** What the server lends to its endpoints' routes. */
interface Parts {
  readonly outbox: Outbox;
  readonly feed: Feed;
  readonly options: EndpointsOptions;
  readonly accept: Contract["accept"];
  readonly reply: Contract["reply"];
  readonly replyJson: Contract["replyJson"];
  readonly register: (
    request: Request,
    type?: string,
  ) => Promise<{ endpoint: Endpoint; cursor: string }>;
  /** One attempt, here and now. */
  readonly send: (endpoint: Endpoint, id: string, body: string) => Promise<Attempt>;
  readonly wake: (id: string) => void;
  readonly close: (id: string) => void;
}

const MAX_TYPES = 32;

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const fields = (body: Json, known: readonly string[]) => {
  if (!isObject(body) || !Object.keys(body).every((name) => known.includes(name)))
    throw new Problem(422, `body: must be an object with no more than ${known.join(", ")}.`);
  return body;
};

const readText = (name: string, value: Json | undefined): string => {
  if (typeof value !== "string") throw new Problem(422, `${name}: must be a string.`);
  return value;
};

const readTypes = (value: Json): string[] | undefined => {
  if (value === null) return undefined;
  const types = Array.isArray(value) ? value : [];
  const good = types.filter((type) => typeof type === "string" && isEventType(type));
  if (good.length === 0 || good.length !== types.length || good.length > MAX_TYPES)
    throw new Problem(400, `types: must be 1 to ${MAX_TYPES} event types, or null for all.`);
  return [...new Set<string>(good)];
};

const readFlag = (name: string, value: Json): boolean => {
  if (typeof value !== "boolean") throw new Problem(422, `${name}: must be true or false.`);
  return value;
};

/** Reads the body of a registration. Throws a problem that names the field: 422, for types 400. */
export const readRegistration = (body: Json, type?: string): Registration => {
  const { url, types, after, ordered } = fields(
    body,
    type === undefined ? ["url", "types", "after", "ordered"] : ["url"],
  );
  return {
    url: readUrl(readText("url", url)).href,
    types: type === undefined ? readTypes(types ?? null) : [type],
    after: after === undefined ? undefined : readText("after", after),
    ordered: readFlag("ordered", ordered ?? false),
  };
};

// The secret is not part of it: it is shown once, in the answer to the registration.
const show = ({ id, url, types, ordered, disabled, createdAt }: Endpoint) => ({
  id,
  url,
  types: types ?? null,
  ordered,
  disabled: disabled ?? null,
  createdAt: new Date(createdAt).toISOString(),
});

const unknownEndpoint = () => new Problem(404, "id: there is no such endpoint.");

const must = (found: boolean): void => {
  if (!found) throw unknownEndpoint();
};

/** The API that endpoints are managed with, and the plain form of it that guides teach. */
export const endpoints = (parts: Parts) => {
  const { outbox, feed, options, accept, reply, replyJson, register, send, wake, close } = parts;
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
  const ping = (endpoint: Endpoint, type: string) => {
    // Not an event of the feed: it has no place there, is sent once, and is never tried again.
    const time = new Date().toISOString();
    const body = JSON.stringify({ type, timestamp: time, data: { endpoint: endpoint.id } });
    return send(endpoint, `${type}_${Bun.randomUUIDv7()}`, body);
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
        // The outbox answers after all that was published before: when nothing waits, everything
        // up to this place was delivered or was not wanted.
        const { cursor } = feed;
        const endpoint = await find(params.id);
        const { waiting } = endpoint;
        const place = waiting === 0 ? cursor : null;
        return replyJson(request, { ...show(endpoint), waiting, cursor: place });
      })
      .patch("/endpoints/:id", async ({ request, params }) => {
        accept(request);
        const body = fields(await readJson(request, maxBodyBytes), ["url", "types", "ordered"]);
        const url = body.url === undefined ? undefined : readUrl(readText("url", body.url));
        if (url) await judge(url, options);
        const change = {
          ...(url ? { url: url.href } : {}),
          ...(body.types === undefined ? {} : { types: readTypes(body.types) ?? null }),
          ...(body.ordered === undefined ? {} : { ordered: readFlag("ordered", body.ordered) }),
        };
        must(await outbox.change(params.id, change));
        wake(params.id);
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
        const until = new Date(formerUntil).toISOString();
        return replyJson(request, { id: params.id, secret, formerSecretSignsUntil: until });
      })
      .post("/endpoints/:id/enable", async ({ request, params }) => {
        accept(request);
        must(await outbox.disable(params.id, null));
        wake(params.id);
        return replyJson(request, show(await find(params.id)));
      })
      .post("/endpoints/:id/disable", async ({ request, params }) => {
        accept(request);
        must(await outbox.disable(params.id, "request"));
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
        const { id, after } = fields(await readJson(request, maxBodyBytes), ["id", "after"]);
        if ((id === undefined) === (after === undefined))
          throw new Problem(422, "body: needs either id or after.");
        if (after !== undefined)
          must(await outbox.replay(params.id, feed.since(readText("after", after))));
        else if (!(await outbox.replayOne(params.id, readText("id", id))))
          throw new Problem(
            404,
            "id: there is no such endpoint, or the event is not kept any more.",
          );
        wake(params.id);
        return reply(request, null, {}, 204);
      })
      .get("/endpoints/:id/deliveries", async ({ request, params }) => {
        accept(request);
        await find(params.id);
        return replyJson(request, { deliveries: await outbox.deliveries(params.id) });
      })

      // The plain form: the path is the type, the body is the address.
      .post("/:a/:b", async ({ request, params: { a, b } }) => created(request, plainType(a, b)))
      .delete("/:a/:b", async ({ request, params: { a, b } }) => {
        accept(request);
        const type = plainType(a, b);
        const { url } = readRegistration(await readJson(request, maxBodyBytes), type);
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

const wrongMethod = (allow: string) =>
  new Problem(405, `method: this path takes ${allow}.`, { allow });
