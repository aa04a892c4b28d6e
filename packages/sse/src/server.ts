import {
  checkOptions,
  contract,
  createHeartbeat,
  readQuery,
  type ServerOptions,
} from "@tidings/shared/server";
import { Body, headers } from "./body.ts";
import { encode, encodeBatch, encodeNamed } from "./wire.ts";

export interface Options extends ServerOptions {
  /**
   * A stream that was quiet for so long gets a heartbeat, in ms. Default 15,000; at most 240,000.
   * Above 45,000 clients need a longer `silenceMs`, and above 60,000 proxies a longer time-out.
   */
  heartbeatMs?: number | undefined;
  /** What a client that lost us waits before it comes back, in milliseconds. Default 2,000. */
  retryMs?: number | undefined;
  /** What may be on its way to one subscriber, in bytes, or else one event. Default 262,144. */
  maxHeldBytes?: number | undefined;
}

const utf8 = new TextEncoder();

export const server = (options: Options) => {
  const { heartbeatMs = 15_000, retryMs = 2_000, maxHeldBytes = 262_144 } = options;
  checkOptions(options, {
    heartbeatMs: { min: 1, max: 240_000 },
    retryMs: { min: 0 },
    maxHeldBytes: { min: 1 },
  });
  const { app, feed, subscribers, stats, accept, reply, addressOf } = contract("sse", options);
  const startHeart = createHeartbeat(heartbeatMs);

  return app.get("/events", ({ request, query, server }) => {
    // 1. accept
    accept(request);

    // 2. authorize: the contract has done it, by header, or by the ticket that an EventSource can
    // carry in its URL.

    // 3. resume: a returning EventSource names its cursor in a header. Its URL is still the one
    // that it was born with, so the header wins over `?after=`. [SSE-6]
    const { after, types } = readQuery(request);
    const cursor = request.headers.get("last-event-id") ?? after;
    const reader = feed.reader({ after: cursor, types, maxBytes: maxHeldBytes, wake: deliver });

    // 4. hand over: there is no moment of it. Replay and live are one walk through the feed. The
    // headers leave with the first bytes, so some leave at once: a pause of its own for each
    // client, because what cuts them together must not bring them back together, and a place for
    // those that had none. [SSE-2]
    const retry = retryMs * (1 + Math.random());
    const opening = encode({ retry, id: cursor === undefined ? reader.cursor : undefined });
    // A HEAD asks for the headers only. [SSE-8] A full or closing server says when to come back and
    // ends: any status but 200 would be the end of an EventSource [HTML, section 9.2.3]. [SSE-9]
    if (request.method === "HEAD" || !subscribers.join(close, addressOf(request))) {
      reader.close();
      return reply(request, opening, headers);
    }
    const onOpen = () => {
      send(utf8.encode(opening));
      deliver();
    };
    const body = new Body({ onOpen, onRoom: deliver, onLeave });

    // 5. deliver: one write for all that a turn of the event loop published, encoded once for
    // all subscribers that stand at the same place. A long replay takes one turn for each page:
    // others have theirs in between, and many that return at once walk side by side. [SLOW-1]
    const encodePage = "named" in query ? encodeNamed : encodeBatch;
    let paged = false;
    function deliver() {
      const batch = body.full || paged ? undefined : reader.read();
      if (!batch) return;
      send(batch.as(encodePage));
      stats.delivered += batch.events.length;
      paged = reader.behind;
      if (paged) setImmediate(nextPage);
    }
    const nextPage = () => {
      paged = false;
      deliver();
    };
    const send = (bytes: Uint8Array) => {
      body.write(bytes);
      stats.bytesOut += bytes.byteLength;
      heart.refresh();
    };

    // 6. heartbeat: after a while without events. An id without data dispatches nothing, and
    // moves the client's cursor past what its filter left out. [SSE-7]
    let stuck = false;
    const beat = () => {
      stuck = body.full;
      if (!stuck) send(utf8.encode(encode({ comment: "", id: reader.cursor })));
    };
    const heart = startHeart(beat);

    // 7. slow reader: what it has not read stays in the feed, once for all, until the network has
    // room again. One that takes nothing for too long is cut by Bun's idle timeout, and comes back
    // with its cursor. [SSE-10]
    server?.timeout(request, 7 + Math.ceil(heartbeatMs / 1000));

    // 8. close: one way out, whoever leaves first; each write is a whole message. [SSE-11] Bun does
    // not say whether it cut this one: it does so to who has left no room for a heartbeat. [STATUS-1]
    function onLeave() {
      if (stuck && body.full) stats.dropped++;
      leave();
    }
    function leave() {
      heart.stop();
      reader.close();
      subscribers.leave(close);
    }
    function close() {
      leave();
      body.end();
    }
    return reply(request, body.stream, headers);
  });
};
