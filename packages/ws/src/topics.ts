import {
  createHeartbeat,
  type Delivered,
  type Feed,
  type Heart,
  type Reader,
} from "@tidings/shared/server";
import type { ServerWebSocket } from "bun";
import { frame } from "./wire.ts";

interface TopicsOptions {
  feed: Feed;
  /** Bun's native fan-out: it writes once per subscriber for all that a turn published. */
  broadcast: (topic: string, text: string) => void;
  heartbeatMs: number;
  stats: Delivered;
}

interface Topic {
  readonly reader: Reader;
  readonly heart: Heart;
  subscribers: number;
}

/** One native topic for each filter: one reader feeds it, however many sockets listen. */
export const createTopics = ({ feed, broadcast, heartbeatMs, stats }: TopicsOptions) => {
  const topics = new Map<string, Topic>();
  const startHeart = createHeartbeat(heartbeatMs);

  const open = (name: string, types: readonly string[] | undefined): Topic => {
    const wake = () => {
      for (let batch = reader.read(); batch; batch = reader.read()) {
        for (const text of batch.json) broadcast(name, text);
        stats.delivered += topic.subscribers * batch.events.length;
        stats.bytesOut += topic.subscribers * batch.bytes;
        topic.heart.refresh();
      }
    };
    const reader = feed.reader({ types, wake });
    // A heartbeat also moves the clients' cursors past what the filter left out.
    const beat = () => {
      const text = frame.heartbeat(reader.cursor);
      broadcast(name, text);
      stats.bytesOut += topic.subscribers * text.length;
    };
    const topic = { reader, heart: startHeart(beat), subscribers: 0 };
    topics.set(name, topic);
    return topic;
  };

  return {
    /** From now on the socket is sent what is published. First it is told its place. */
    join(socket: ServerWebSocket<unknown>, types: readonly string[] | undefined): () => void {
      const name = types?.join() ?? "*";
      const topic = topics.get(name) ?? open(name, types);
      topic.subscribers++;
      const text = frame.heartbeat(topic.reader.cursor);
      socket.send(text);
      stats.bytesOut += text.length;
      socket.subscribe(name);
      return () => {
        if (--topic.subscribers > 0) return;
        topic.reader.close();
        topic.heart.stop();
        topics.delete(name);
      };
    },
  };
};
