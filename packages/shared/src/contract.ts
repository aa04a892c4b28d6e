import { Elysia, type ElysiaConfig } from "elysia";
import { gate, Tickets, type Authorize } from "./authorize.ts";
import { readJson } from "./body.ts";
import type { FeedEvent, Json } from "./event.ts";
import type { Feed } from "./feed.ts";
import { corsHeaders, originPolicy, preflight } from "./origin.ts";
import { checkOptions } from "./options.ts";
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
  /** Told at once what the start shall wait for. When that fails, the server cannot serve. */
  startAfter?: ((work: Promise<unknown>) => unknown) | undefined;
  /** Who may publish and subscribe. Default: everybody. See `bearer`. */
  authorize?: Authorize | undefined;
  /** Other hosts' pages that may come, and own public names: origins, `https://example.org`. */
  allowOrigins?: readonly string[] | undefined;
  /** Largest body of a publish, in bytes; more is a 413. Default 65,536. */
  maxBodyBytes?: number | undefined;
}

/** An event, and whether it was published now or before, with the same idempotency key. */
export interface Published {
  event: FeedEvent;
  fresh: boolean;
}

/** How a publish reaches the feed, if not directly: an outbox writes it to disk first. */
export type Publish = (type: string, data: Json, key?: string) => Published | Promise<Published>;

/** What a technique delivered, for `GET /status`. */
export interface Delivered {
  /** Events handed to subscribers. */
  delivered: number;
  /** Subscribers that were cut because they read too slowly; NaN where nobody can tell. */
  dropped: number;
  /** Bytes of payload handed to the network for them; heartbeats and empty answers count. */
  bytesOut: number;
}

/** What a technique tells the contract beside what its caller said. */
export interface ContractOptions {
  /** How a publish reaches the feed. Default: directly. */
  publish?: Publish;
  /** Paths that begin so judge for themselves who may come in, such as by a signature. */
  selfAuthorized?: string;
}

const RETRY = { "retry-after": "1" };

/** The refusal of a server that is full or about to end. [POLL-4] */
export const unavailable = () =>
  new Problem(503, "subscribers: no seat is free now; come back after Retry-After.", RETRY);

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// A body of nothing but brackets would keep JSON.stringify busy for seconds, and overflow the stack
// of whoever walks through it.
const MAX_DEPTH = 50;

const flaw = (value: Json, levels = MAX_DEPTH): string | undefined => {
  // JSON.parse rounds larger integers, and makes Infinity of 1e999 [RFC 7493, section 2.2].
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER)
    return `holds a number beyond ±${Number.MAX_SAFE_INTEGER}, which may arrive as another; send it as a string.`;
  if (typeof value !== "object" || value === null) return undefined;
  if (levels === 0) return `must be at most ${MAX_DEPTH} levels deep.`;
  for (const inner of Object.values(value)) {
    const found = flaw(inner, levels - 1);
    if (found) return found;
  }
  return undefined;
};

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
  const wrong = flaw(data);
  if (wrong) throw new Problem(422, `data: ${wrong}`);
  return { type, data };
};

/**
 * What all techniques' servers have in common (SPEC.md): publishing, status, health, tickets,
 * errors and origins. Returns the Elysia instance that the technique adds its own way to.
 */
export const contract = (
  technique: string,
  options: ServerOptions & ContractOptions,
  config: ElysiaConfig<""> = {},
) => {
  const { feed, signal, authorize: rule, allowOrigins, maxBodyBytes = 65_536 } = options;
  const { publish: store = publishTo(feed) } = options;
  checkOptions(options, {
    maxBodyBytes: { min: 1 },
    maxSubscribers: { min: 0, whole: true },
    maxSubscribersPerAddress: { min: 0, whole: true },
  });
  const subscribers = new Subscribers(options);
  const stats: Delivered = { delivered: 0, dropped: 0, bytesOut: 0 };
  const tickets = new Tickets();
  const allows = originPolicy(allowOrigins);
  const born = performance.now();
  let published = 0;
  signal?.addEventListener("abort", () => subscribers.close());
  if (signal?.aborted) subscribers.close();

  /** Publishes `{ type, data }`; the same key with the same event publishes nothing anew. */
  const publish = async (body: Json, key?: string) => {
    if (signal?.aborted) throw unavailable();
    const { type, data } = checkPublish(body);
    if (key !== undefined && (key.length === 0 || key.length > 255))
      throw new Problem(422, "idempotency-key: must be 1 to 255 characters.");
    const { event, fresh } = await store(type, data, key);
    if (event.type !== type || (!fresh && !Bun.deepEquals(event.data, data, true)))
      throw new Problem(422, "idempotency-key: was used for another event; take a fresh one.");
    if (fresh) published++;
    return { event, fresh };
  };

  /** Turns away requests of pages that are not on the allow-list. */
  const accept = (request: Request): void => {
    if (!allows(request)) throw refusedOrigin();
  };

  /** An answer; for a page of another origin with the headers that let it read it. */
  const reply = (
    request: Request,
    body: Bun.BodyInit | null,
    headers: Headers | Record<string, string>,
    status = 200,
  ): Response => {
    if (!request.headers.has("origin") || !allows(request))
      return new Response(body, { status, headers });
    return new Response(body, { status, headers: withCors(request, headers) });
  };
  const replyJson = (request: Request, value: unknown, status?: number) =>
    reply(request, JSON.stringify(value), JSON_HEADERS, status);

  // Bun's own limit would answer without a problem document, and before we are asked.
  const serve = { maxRequestBodySize: Number.MAX_SAFE_INTEGER, ...config.serve };
  const app = new Elysia({ ...config, serve });

  // A hook on every route has its price, even one that has nothing to say; so there is none
  // without a rule, and none for origins, which each answer speaks of itself (`reply`).
  if (rule) {
    const authorize = gate(rule, tickets);
    app.onBeforeHandle(async ({ request, path }) => {
      if (path === "/health" || request.method === "OPTIONS") return;
      if (options.selfAuthorized && path.startsWith(options.selfAuthorized)) return;
      accept(request);
      await authorize(request);
    });
  }

  app
    .onError(({ code, error, request }) => {
      const { body, status, headers } = asProblem(
        code === "NOT_FOUND" ? notFound(request, app.routes) : error,
      ).toResponse();
      return reply(request, body, headers, status);
    })
    .options("/*", ({ request }) => {
      if (!request.headers.has("origin")) throw notFound(request, app.routes);
      accept(request);
      return preflight(request);
    })
    .post("/events", async ({ request }) => {
      accept(request);
      const key = request.headers.get("idempotency-key") ?? undefined;
      const { event, fresh } = await publish(await readJson(request, maxBodyBytes), key);
      return replyJson(request, event, fresh ? 201 : 200);
    })
    .post("/tickets", ({ request }) => {
      accept(request);
      return replyJson(request, tickets.issue(), 201);
    })
    .get("/status", ({ request }) => {
      accept(request);
      const { oldest, newest, events, bytes } = feed.window;
      const cpu = process.cpuUsage();
      return replyJson(request, {
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
      });
    })
    .get("/health", ({ request }) => {
      if (signal?.aborted) throw unavailable();
      return replyJson(request, { ok: true });
    });

  return {
    app,
    feed,
    subscribers,
    stats,
    publish,
    accept,
    reply,
    /** The same with JSON, never cached. */
    replyJson,
    /** Who is at the other end. Where addresses are not limited, nobody is looked up. */
    addressOf: (request: Request): string =>
      options.maxSubscribersPerAddress === undefined
        ? ""
        : (app.server?.requestIP(request)?.address ?? ""),
    /** Whether the server is about to end. */
    closing: () => signal?.aborted ?? false,
  };
};

const publishTo =
  (feed: Feed): Publish =>
  (type, data, key) => {
    const first = key === undefined ? undefined : feed.published(key);
    return { event: first ?? feed.publish(type, data, key), fresh: first === undefined };
  };

/** What the contract lends to a technique. */
export type Contract = ReturnType<typeof contract>;

const JSON_HEADERS = new Headers({
  "content-type": "application/json",
  "cache-control": "no-store",
});

/** The refusal of a page that is not on the allow-list. */
const refusedOrigin = () =>
  new Problem(403, "origin: the page's, or the name in Host, is not on the server's allow-list.");

const withCors = (request: Request, headers: Headers | Record<string, string>): Headers => {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(corsHeaders(request))) all.set(name, value);
  if (!all.get("vary")?.includes("Origin")) all.append("vary", "Origin");
  return all;
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
    .map(({ method }) => method)
    // Elysia's name for every method; such a route says itself which ones it takes.
    .filter((method) => method !== "ALL");
  if (methods.length === 0) return new Problem(404, "path: there is nothing here; see SPEC.md.");
  if (methods.includes("GET")) methods.push("HEAD");
  const allow = [...new Set(methods)].sort().join(", ");
  return new Problem(405, `method: this path takes ${allow}.`, { allow });
};
