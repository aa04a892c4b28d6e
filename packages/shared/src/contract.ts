import { Elysia, type ElysiaConfig } from "elysia";
import { gate, Tickets, type Authorize } from "./authorize.ts";
import { readJson } from "./body.ts";
import type { FeedEvent, Json } from "./event.ts";
import type { Feed } from "./feed.ts";
import { corsHeaders, originPolicy, preflight } from "./origin.ts";
import { asProblem, Problem } from "./problem.ts";
import { urlOf } from "./query.ts";
import { Subscribers, type SubscribersOptions } from "./subscribers.ts";

/** What every technique's server is told. Each technique adds its own. */
export interface ServerOptions extends SubscribersOptions {
  feed: Feed;
  /** Aborted when the server shall end: it refuses what is new and ends what is held. */
  signal?: AbortSignal | undefined;
  /** Told on the signal what the end shall wait for, within the launcher's grace. */
  waitUntil?: ((work: Promise<unknown>) => unknown) | undefined;
  /** Who may publish and subscribe. Default: everybody. See `bearer`. */
  authorize?: Authorize | undefined;
  /** Origins of other hosts' pages that may use this server, such as `https://example.org`. */
  allowOrigins?: readonly string[] | undefined;
  /** Largest body of a publish, in bytes; more is a 413. Default 65,536. */
  maxBodyBytes?: number | undefined;
}

/** How a publish reaches the feed, if not directly: an outbox writes it to disk first. */
export type Publish = (type: string, data: Json, key?: string) => FeedEvent | Promise<FeedEvent>;

/** What a technique delivered, for `GET /status`. */
export interface Delivered {
  /** Events handed to subscribers. */
  delivered: number;
  /** Subscribers that were cut because they read too slowly. */
  dropped: number;
  /** Bytes of body or frames handed to the network. */
  bytesOut: number;
}

const RETRY = { "retry-after": "1" };

/** The refusal of a server that is full or about to end. */
export const unavailable = () =>
  new Problem(503, "subscribers: no seat is free now; come back after Retry-After.", RETRY);

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// A body of nothing but brackets would keep JSON.stringify busy for seconds, and overflow the stack
// of whoever walks through it.
const MAX_DEPTH = 50;

const isShallow = (value: Json, levels = MAX_DEPTH): boolean =>
  typeof value !== "object" ||
  value === null ||
  (levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1)));

/** The body of a publish: `{ "type", "data" }`. 422 when a part is missing, wrong or not known. */
export const checkPublish = (body: Json): { type: string; data: Json } => {
  if (!isObject(body)) throw new Problem(422, 'body: must be an object {"type", "data"}.');
  const { type, data, ...rest } = body;
  if (typeof type !== "string") throw new Problem(422, "type: must be a string.");
  if (type.startsWith("feed.") || type === "feed")
    throw new Problem(422, "type: `feed.*` is reserved for the feed itself.");
  if (data === undefined) throw new Problem(422, "data: is missing; null is a value, too.");
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Problem(422, "body: has only type and data.");
  if (!isShallow(data)) throw new Problem(422, `data: must be at most ${MAX_DEPTH} levels deep.`);
  return { type, data };
};

/**
 * What all techniques' servers have in common (SPEC.md): publishing, status, health, tickets,
 * errors and origins. Returns the Elysia instance that the technique adds its own way to.
 */
export const contract = (
  technique: string,
  options: ServerOptions & { publish?: Publish },
  config: ElysiaConfig<""> = {},
) => {
  const { feed, signal, authorize: rule, allowOrigins, maxBodyBytes = 65_536 } = options;
  const { publish: store = feed.publish.bind(feed) } = options;
  const subscribers = new Subscribers(options);
  const stats: Delivered = { delivered: 0, dropped: 0, bytesOut: 0 };
  const tickets = new Tickets();
  const authorize = gate(rule, tickets);
  const allows = originPolicy(allowOrigins);
  const born = performance.now();
  let published = 0;
  signal?.addEventListener("abort", () => subscribers.close());
  if (signal?.aborted) subscribers.close();

  /** Publishes `{ type, data }`; the same key with the same event publishes nothing anew. */
  const publish = async (body: Json, key?: string) => {
    const { type, data } = checkPublish(body);
    if (key !== undefined && (key.length === 0 || key.length > 255))
      throw new Problem(422, "idempotency-key: must be 1 to 255 characters.");
    const first = key === undefined ? undefined : feed.published(key);
    if (first && (first.type !== type || !Bun.deepEquals(first.data, data, true)))
      throw new Problem(422, "idempotency-key: was used for another event; take a fresh one.");
    if (first) return { event: first, fresh: false };
    const event = await store(type, data, key);
    published++;
    return { event, fresh: true };
  };

  const app = new Elysia(config)
    .onRequest(({ request }) => {
      if (request.method !== "OPTIONS" || !request.headers.has("origin")) return;
      return allows(request) ? preflight(request) : refusedOrigin().toResponse();
    })
    .onAfterHandle({ as: "global" }, ({ request, response }) => {
      if (request.headers.has("origin") && response instanceof Response)
        share(request, response, allows);
    })
    .onError({ as: "global" }, ({ code, error, request }) => {
      const problem = code === "NOT_FOUND" ? notFound(request, app.routes) : asProblem(error);
      return share(request, problem.toResponse(), allows);
    })
    .post("/events", async ({ request }) => {
      await authorize(request);
      if (!allows(request)) throw refusedOrigin();
      if (signal?.aborted) throw unavailable();
      const key = request.headers.get("idempotency-key") ?? undefined;
      const { event, fresh } = await publish(await readJson(request, maxBodyBytes), key);
      return Response.json(event, { status: fresh ? 201 : 200 });
    })
    .post("/tickets", async ({ request }) => {
      await authorize(request);
      return Response.json(tickets.issue(), {
        status: 201,
        headers: { "cache-control": "no-store" },
      });
    })
    .get("/status", async ({ request }) => {
      await authorize(request);
      const { oldest, newest, events, bytes } = feed.window;
      const cpu = process.cpuUsage();
      return Response.json(
        {
          technique,
          epoch: feed.epoch,
          oldest,
          newest,
          window: { events, bytes },
          subscribers: subscribers.size,
          published,
          ...stats,
          rssBytes: process.memoryUsage.rss(),
          cpuMs: (cpu.user + cpu.system) / 1000,
          uptimeMs: performance.now() - born,
        },
        { headers: { "cache-control": "no-store" } },
      );
    })
    .get("/health", () => {
      if (signal?.aborted) throw unavailable();
      return Response.json({ ok: true }, { headers: { "cache-control": "no-store" } });
    });

  return {
    app,
    feed,
    subscribers,
    stats,
    publish,
    authorize,
    /** Whether the server is about to end. */
    closing: () => signal?.aborted ?? false,
    /** Turns away requests of pages that are not on the allow-list. */
    accept(request: Request): void {
      if (!allows(request)) throw refusedOrigin();
    },
    /** Who is at the other end, for the limit of subscribers per address. */
    addressOf: (request: Request) => app.server?.requestIP(request)?.address ?? "",
  };
};

/** The refusal of a page that is not on the allow-list. */
const refusedOrigin = () =>
  new Problem(403, "origin: this page's origin is not on the server's allow-list.");

const share = (request: Request, response: Response, allows: (request: Request) => boolean) => {
  if (!request.headers.has("origin") || !allows(request)) return response;
  for (const [name, value] of Object.entries(corsHeaders(request)))
    response.headers.set(name, value);
  if (!response.headers.get("vary")?.includes("Origin")) response.headers.append("vary", "Origin");
  return response;
};

// Elysia answers a wrong method with 404; RFC 9110, section 15.5.6, asks for 405 with `Allow`.
const notFound = (request: Request, routes: readonly { method: string; path: string }[]) => {
  const parts = urlOf(request).pathname.split("/");
  const methods = routes
    .filter(({ path }) => {
      const pattern = path.split("/");
      return (
        pattern.length === parts.length &&
        pattern.every((part, i) => part.startsWith(":") || part === parts[i])
      );
    })
    .map(({ method }) => method);
  if (methods.length === 0) return new Problem(404, "path: there is nothing here; see SPEC.md.");
  if (methods.includes("GET")) methods.push("HEAD");
  const allow = [...new Set(methods)].sort().join(", ");
  return new Problem(405, `method: this path takes ${allow}.`, { allow });
};
