import {
  checkOptions,
  contract,
  readQuery,
  unavailable,
  type ServerOptions,
} from "@tidings/shared/server";
import type { ServerWebSocket } from "bun";
import { choose, noHandshake } from "./handshake.ts";
import { createLines } from "./line.ts";
import { createTopics } from "./topics.ts";

export interface Options extends ServerOptions {
  /**
   * Sockets that were quiet for so long get a heartbeat, in ms. Default 15,000; at most 900,000.
   * Above 45,000 clients need a longer `silenceMs`.
   */
  heartbeatMs?: number | undefined;
  /** Time between two pings, in ms; no answer in it is a cut. Default 20,000; at most 900,000. */
  pingMs?: number | undefined;
  /** What one subscriber may leave unread before it is cut, in bytes. Default 1 MiB, at least 128 KiB. */
  maxHeldBytes?: number | undefined;
  /** Longest message of a client, in bytes; a longer one closes with 1009. Default 65,536. */
  maxMessageBytes?: number | undefined;
  /** Most messages of one client in a second; more close with 1008. Default 100. */
  maxMessagesPerSecond?: number | undefined;
}

export const server = ({ heartbeatMs = 15_000, pingMs = 20_000, ...options }: Options) => {
  const { maxHeldBytes = 2 ** 20, maxMessageBytes = 65_536, maxMessagesPerSecond = 100 } = options;
  checkOptions(
    { heartbeatMs, pingMs, maxHeldBytes, maxMessageBytes, maxMessagesPerSecond },
    {
      heartbeatMs: { min: 1, max: 900_000 },
      pingMs: { min: 1, max: 900_000 },
      maxHeldBytes: { min: 2 ** 17 },
      maxMessageBytes: { min: 1 },
      maxMessagesPerSecond: { min: 1 },
    },
  );
  // The limits belong here: those of a single route are taken and ignored. [WS-8]
  const websocket = {
    maxPayloadLength: maxMessageBytes,
    backpressureLimit: maxHeldBytes,
    closeOnBackpressureLimit: true,
    // The pings are the line's own.
    idleTimeout: 0,
  };
  const { app, feed, subscribers, stats, publish, accept, addressOf } = contract("ws", options, {
    websocket,
  });
  // Bun cuts slow readers itself, and does not say whom: not a number, which JSON tells as null.
  stats.dropped = NaN;
  const openLine = createLines({ pingMs, maxMessagesPerSecond, publish });
  const topics = createTopics({
    feed,
    heartbeatMs,
    broadcast: (topic, text) => void app.server?.publish(topic, text),
    stats,
  });

  // A plain GET that upgrades by hand: Elysia's `.ws()` calls its hooks twice and guesses at what
  // text frames mean. Its dispatcher calls the handlers that it finds in the socket's `data`.
  return app.get("/events", ({ request, server }) => {
    // 1. accept: before the upgrade there is still a status to refuse with. [WS-1]
    accept(request);

    // 2. authorize: the contract has done it, by header, or by the ticket that a browser's
    // WebSocket can carry in its URL.

    // 3. resume
    const { after, types } = readQuery(request);
    const reader = feed.reader({ after, types, maxBytes: maxHeldBytes / 2 });
    let socket: ServerWebSocket<unknown> | undefined;
    let leaveTopic: (() => void) | undefined;

    // 4. hand over: in `deliver`, where the walk through the feed ends and the topic begins.
    if (!subscribers.join(close, addressOf(request))) throw unavailable();

    // 5. deliver: first what the feed still has for this client, page by page as the network takes
    // it, each in its own turn of the event loop, so that others have theirs in between; then the
    // topic, in the same step in which nothing is left to read. [WS-4]
    function open(opened: ServerWebSocket<unknown>) {
      socket = opened;
      deliver();
    }
    function deliver() {
      if (!socket || leaveTopic || socket.getBufferedAmount() > 0) return;
      const batch = reader.read();
      for (const text of batch?.json ?? []) socket.send(text);
      stats.bytesOut += batch?.bytes ?? 0;
      stats.delivered += batch?.events.length ?? 0;
      if (socket.getBufferedAmount() > 0) return;
      if (reader.behind) setImmediate(deliver);
      else leaveTopic = topics.join(socket, types);
    }

    // 6. heartbeat: the topic's, one for all of its sockets; and one for each that joins, which
    // says "you are live", and where. [WS-5]

    // 7. slow reader: a replay waits in the feed until the socket is empty. A live reader with more
    // than `maxHeldBytes` unread is cut by Bun, and comes back with its cursor. [WS-10]

    // 8. close: one way out, whoever leaves first. [WS-11]
    function leave() {
      line.hangUp();
      leaveTopic?.();
      // A page that waits for its turn finds nobody.
      socket = undefined;
      subscribers.leave(close);
    }
    function close() {
      socket?.close(1001, "the server is closing");
    }
    const line = openLine(() => socket);
    const data = { ...line, open, drain: deliver, close: leave };
    if (server?.upgrade(request, { data, headers: choose(request) })) return undefined;
    leave();
    throw noHandshake(request);
  });
};
