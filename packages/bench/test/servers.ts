// Servers for the engine's tests: an event stream in this process, that does as it is told.
import type { SocketHandler } from "bun";
import type { Contender } from "../src/contender.ts";

/** What becomes of an event, before its publisher is answered; the next events know what was held back. */
export type Deliver = (send: (event: string) => void, event: string, number: number) => unknown;

const utf8 = new TextEncoder();

/** A contender whose server hands each event to `deliver`. */
export const streamOf = (deliver: Deliver): Contender => ({
  name: "sse/test",
  title: "A server of the tests",
  kind: "baseline",
  deviations: [],
  lane: "sse",
  wire: { kind: "stream", path: "/events" },
  publishPath: "/events",
  resumes: false,
  async start() {
    const streams = new Set<ReadableStreamDefaultController>();
    let published = 0;
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      async fetch(request) {
        if (request.method === "POST") {
          const data = await request.text();
          const send = (event: string) => {
            for (const stream of streams) stream.enqueue(utf8.encode(`data: ${event}\n\n`));
          };
          await deliver(send, data, ++published);
          return new Response("{}", { status: 201 });
        }
        const stream = new ReadableStream({
          start(controller) {
            streams.add(controller);
            controller.enqueue(utf8.encode(":\n\n"));
          },
        });
        return new Response(stream, { headers: { "content-type": "text/event-stream" } });
      },
    });
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    const end = () => server.stop(true).then(resolve);
    return {
      url: server.url.origin,
      pid: process.pid,
      kill: end,
      exited,
      [Symbol.asyncDispose]: end,
    };
  },
});

/** The same, but who subscribes or publishes meets these hands, and not the server. */
export const behind = (
  contender: Contender,
  hands: (leave: () => void) => SocketHandler<undefined>,
): Contender => ({
  ...contender,
  async start(options) {
    const server = await contender.start(options);
    const leave = () => (door.stop(true), server.kill("SIGTERM"));
    const door = Bun.listen<undefined>({ hostname: "127.0.0.1", port: 0, socket: hands(leave) });
    const dispose = async () => (door.stop(true), server[Symbol.asyncDispose]());
    return { ...server, url: `http://127.0.0.1:${door.port}`, [Symbol.asyncDispose]: dispose };
  },
});

/**
 * A contender whose subscribers resume, unless it `forgets` what nobody was there for. What it
 * has outlives its server, and the next one needs `awayMs` to start.
 */
export const mortal = ({ awayMs, forgets = false }: { awayMs: number; forgets?: boolean }) => {
  const log: string[] = [];
  const message = (place: number) => utf8.encode(`id: ${place}\ndata: ${log[place]}\n\n`);
  const start: Contender["start"] = async ({ port = 0 }) => {
    // Only the first one is told no port.
    if (port !== 0) await Bun.sleep(awayMs);
    const streams = new Set<ReadableStreamDefaultController>();
    let oldest = 0;
    const server = Bun.serve({
      port,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      async fetch(request) {
        if (request.method === "POST") {
          const place = log.push(await request.text()) - 1;
          for (const stream of streams) stream.enqueue(message(place));
          if (forgets) oldest = log.length;
          return new Response("{}", { status: 201 });
        }
        const after = Number(request.headers.get("last-event-id") ?? -1);
        const stream = new ReadableStream({
          start(controller) {
            controller.enqueue(utf8.encode(":\n\n"));
            for (let place = Math.max(oldest, after + 1); place < log.length; place++)
              controller.enqueue(message(place));
            streams.add(controller);
          },
        });
        return new Response(stream, { headers: { "content-type": "text/event-stream" } });
      },
    });
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    const end = () => server.stop(true).then(resolve);
    return {
      url: server.url.origin,
      pid: process.pid,
      kill: end,
      exited,
      [Symbol.asyncDispose]: end,
    };
  };
  return { ...streamOf(() => {}), resumes: true, start } satisfies Contender;
};
