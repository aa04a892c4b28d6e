import {
  contract,
  createHeartbeat,
  readQuery,
  type Batch,
  type ServerOptions,
} from "@tidings/shared/server";
import { encode, encodeEvent } from "./wire.ts";

export interface Options extends ServerOptions {
  /** A stream that was quiet for so long gets a heartbeat, in milliseconds. Default 15,000. */
  heartbeatMs?: number | undefined;
  /** What a client that lost us waits before it comes back, in milliseconds. Default 2,000. */
  retryMs?: number | undefined;
}

const utf8 = new TextEncoder();
const unnamed = (batch: Batch) => utf8.encode(batch.events.map((e) => encodeEvent(e)).join(""));
const named = (batch: Batch) => utf8.encode(batch.events.map((e) => encodeEvent(e, true)).join(""));

const headers = new Headers({
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  // Without this, nginx keeps everything back until its buffer is full, headers included.
  "x-accel-buffering": "no",
});

export const server = ({ heartbeatMs = 15_000, retryMs = 2_000, ...options }: Options) => {
  const { app, feed, subscribers, stats, accept, reply, addressOf } = contract("sse", options);
  const startHeart = createHeartbeat(heartbeatMs);

  return app.get("/events", ({ request, query, server }) => {
    // 1. accept: a HEAD asks for the headers and starts no stream.
    accept(request);
    if (request.method === "HEAD") return reply(request, null, headers);

    // 2. authorize: the contract has done it, by header, or by the ticket that an EventSource can
    // carry in its URL.

    // 3. resume: a returning EventSource names its cursor in a header. Its URL is still the one
    // that it was born with, so the header wins over `?after=`.
    const { after, types } = readQuery(query);
    const cursor = request.headers.get("last-event-id") ?? after;
    const reader = feed.reader({ after: cursor, types, wake: deliver });

    // 4. hand over: there is no moment of it. Replay and live are one walk through the feed, and
    // `pull` goes on with it whenever the network has room. The headers leave with the first
    // bytes, so some leave at once: a pause of its own for each client, because what cuts them
    // together must not bring them back together, and a place for those that had none.
    const retry = retryMs * (1 + Math.random());
    const opening = encode({ retry, id: cursor === undefined ? reader.cursor : undefined });
    if (!subscribers.join(close, addressOf(request))) {
      // A full or closing server says the same and ends: any status but 200 would be the end of
      // an EventSource [HTML, section 9.2.3].
      reader.close();
      return reply(request, opening, headers);
    }
    let out: ReadableStreamDefaultController<Uint8Array>;
    const start = (controller: typeof out) => (out = controller).enqueue(utf8.encode(opening));
    const stream = new ReadableStream<Uint8Array>({ start, pull, cancel });

    // 5. deliver: one write for all that a turn of the event loop published, encoded once for
    // all subscribers that stand at the same place.
    const encodeBatch = "named" in query ? named : unnamed;
    function deliver() {
      while (hasRoom()) {
        const batch = reader.read();
        behind = batch !== undefined;
        if (!batch) return;
        send(batch.as(encodeBatch));
        stats.delivered += batch.events.length;
      }
      goOn();
    }
    // To be asked for more after every write has its price. So `pull` stays pending as long as
    // everything is read; `goOn` ends that when there is no room for what is left.
    let goOn = () => {};
    let behind = false;
    function pull() {
      deliver();
      if (hasRoom()) return new Promise<void>((resolve) => (goOn = resolve));
      return undefined;
    }
    const hasRoom = () => (out.desiredSize ?? 0) > 0;
    const send = (bytes: Uint8Array) => {
      out.enqueue(bytes);
      stats.bytesOut += bytes.byteLength;
      heart.refresh();
    };

    // 6. heartbeat: after a while without events. An id without data dispatches nothing, and
    // moves the client's cursor past what its filter left out.
    const beat = () => hasRoom() && send(utf8.encode(encode({ comment: "", id: reader.cursor })));
    const heart = startHeart(beat);

    // 7. slow reader: what it has not read stays in the feed, once for all. One that takes not
    // even the heartbeats is cut by Bun's idle timeout, and comes back with its cursor.
    server?.timeout(request, Math.min(255, 8 + Math.ceil(heartbeatMs / 1000)));

    // 8. close: one way out, whoever leaves first.
    function cancel() {
      if (behind) stats.dropped++;
      leave();
    }
    function leave() {
      heart.stop();
      reader.close();
      subscribers.leave(close);
    }
    function close() {
      leave();
      out.close();
    }
    return reply(request, stream, headers);
  });
};
