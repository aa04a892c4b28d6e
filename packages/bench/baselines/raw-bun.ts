// Each way of delivering on the bare runtime: what is left when framework, limits, heartbeats,
// slow readers, filters and problem details are taken away. `bun raw-bun.ts <lane> <port>`.
//
// It speaks as much of SPEC.md as the load generator does: POST /events publishes, GET /events
// delivers, and for webhooks POST /endpoints registers.

const [lane = "sse", port = "0"] = process.argv.slice(2);

const encoder = new TextEncoder();
const json = { headers: { "content-type": "application/json" } };
// The last events, as JSON, so that a poll finds what it missed. Cursors count from the first one.
const KEPT = 10_000;
const log: string[] = [];
let dropped = 0;
let published = 0;

const streams = new Set<ReadableStreamDirectController>();
// Where each endpoint's line ends: its deliveries follow one another.
const endpoints = new Map<string, Promise<void>>();
let waiting: ((answer: Response) => void)[] = [];

const page = (after: number): Response => {
  const events = log.slice(Math.max(0, after - dropped)).join();
  return new Response(`{"events":[${events}],"cursor":"${published}"}`, json);
};

/** Each lane's GET /events. */
const deliver: Record<
  string,
  (request: Request, after: string | null) => Response | Promise<Response>
> = {
  "short-poll"(request, after) {
    const etag = `"${published}"`;
    const headers = { ...json.headers, etag };
    if (request.headers.get("if-none-match") === etag)
      return new Response(null, { status: 304, headers });
    const answer = page(after === null ? published : Number(after));
    answer.headers.set("etag", etag);
    return answer;
  },
  "long-poll"(_, after) {
    if (after === null || Number(after) < published) return page(Number(after ?? published));
    return new Promise((resolve) => waiting.push(resolve));
  },
  sse() {
    const { promise: ended } = Promise.withResolvers<void>();
    let mine: ReadableStreamDirectController;
    const stream = new ReadableStream({
      type: "direct",
      pull(controller) {
        streams.add((mine = controller));
        controller.write(":\n\n");
        controller.flush();
        return ended;
      },
      cancel: () => void streams.delete(mine),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
  webhook: () => new Response(null, { status: 405 }),
};

const publish = (body: { type: string; data: unknown }): string => {
  // As long as the contract's, for it is payload.
  const id = `1763675000123-${++published}`;
  const event = JSON.stringify({
    id,
    type: body.type,
    time: new Date().toISOString(),
    data: body.data,
  });
  log.push(event);
  if (log.length > 2 * KEPT) dropped += log.splice(0, KEPT).length;

  if (lane === "ws") server.publish("all", event);
  const message = streams.size > 0 ? encoder.encode(`id: ${id}\ndata: ${event}\n\n`) : undefined;
  for (const stream of message ? streams : []) {
    stream.write(message ?? "");
    stream.flush();
  }
  const held = waiting;
  waiting = [];
  for (const answer of held) answer(page(published - 1));
  for (const [url, line] of endpoints)
    endpoints.set(
      url,
      line.then(() => call(url, event)),
    );
  return event;
};

const call = async (url: string, body: string) => {
  const response = await fetch(url, { method: "POST", ...json, body });
  await response.arrayBuffer();
};

const server = Bun.serve({
  port: Number(port),
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request, server) {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "POST" && pathname === "/events")
      return new Response(publish(JSON.parse(await request.text())), { status: 201, ...json });
    if (request.method === "POST" && pathname === "/endpoints") {
      const { url }: { url: string } = JSON.parse(await request.text());
      endpoints.set(url, Promise.resolve());
      return new Response(null, { status: 201 });
    }
    if (lane === "ws" && server.upgrade(request)) return undefined;
    return (
      deliver[lane]?.(request, searchParams.get("after")) ?? new Response(null, { status: 404 })
    );
  },
  websocket: { open: (socket) => void socket.subscribe("all"), message() {} },
});
console.log(`ready ${server.url.origin}`);
