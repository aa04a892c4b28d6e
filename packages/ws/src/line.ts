import { asProblem, type FeedEvent, type Json } from "@tidings/shared";
import { createHeartbeat } from "@tidings/shared/server";
import type { ServerWebSocket } from "bun";
import { decode, frame } from "./wire.ts";

interface LineOptions {
  /** Time between two pings, in milliseconds. */
  pingMs: number;
  maxMessagesPerSecond: number;
  publish: (event: Json, key?: string) => Promise<{ event: FeedEvent }>;
}

/** What one socket's other end does on its own account: it answers pings, and it speaks. */
export const createLines = ({ pingMs, maxMessagesPerSecond, publish }: LineOptions) => {
  const startHeart = createHeartbeat(pingMs);

  return (socketOf: () => ServerWebSocket<unknown> | undefined) => {
    // A line that is dead takes heartbeats for minutes; a client that lives answers pings. [WS-9]
    // Bun's own pings begin when nothing is sent, and heartbeats are.
    let answered = true;
    const heart = startHeart(() => {
      if (!answered) return socketOf()?.terminate();
      answered = false;
      socketOf()?.ping();
    });

    let second = 0;
    let count = 0;
    return {
      pong: () => void (answered = true),
      hangUp: () => heart.stop(),
      /** A client may publish. Whatever else it says is answered with an error. [WS-6, WS-7] */
      async message(from: ServerWebSocket<unknown>, message: string | Uint8Array) {
        const now = Math.floor(performance.now() / 1000);
        count = now === second ? count + 1 : 1;
        second = now;
        if (count > maxMessagesPerSecond)
          return from.close(1008, `at most ${maxMessagesPerSecond} messages in a second`);
        try {
          const said = decode(message);
          if (said.type === "ping") from.send(frame.pong());
          else from.send(frame.published((await publish(said.event, said.key)).event));
        } catch (error) {
          from.send(frame.error(asProblem(error)));
        }
      },
    };
  };
};
