import {
  createHeartbeat,
  type Batch,
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
  /** Told how many subscribers were sent what. */
  onDelivered: (subscribers: number, batch: Batch) => void;
}

interface Topic {
  readonly reader: Reader;
  readonly heart: Heart;
  subscribers: number;
}

/** One native topic for each filter: one reader feeds it, however many sockets listen. */
export const createTopics = ({ feed, broadcast, heartbeatMs, onDelivered }: TopicsOptions) => {
  const topics = new Map<string, Topic>();
  const startHeart = createHeartbeat(heartbeatMs);

  const open = (name: string, types: readonly string[] | undefined): Topic => {
    const wake = () => {
      for (let batch = reader.read(); batch; batch = reader.read()) {
        for (const text of batch.json) broadcast(name, text);
        onDelivered(topic.subscribers, batch);
        topic.heart.refresh();
      }
    };
    const reader = feed.reader({ types, wake });
    // A heartbeat also moves the clients' cursors past what the filter left out.
    const beat = () => broadcast(name, frame.heartbeat(reader.cursor));
    const topic = { reader, heart: startHeart(beat), subscribers: 0 };
    topics.set(name, topic);
    return topic;
  };

  return {
    /** From now on the socket is sent what is published. */
    join(socket: ServerWebSocket<unknown>, types: readonly string[] | undefined): () => void {
      const name = types?.join() ?? "*";
      const topic = topics.get(name) ?? open(name, types);
      topic.subscribers++;
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
