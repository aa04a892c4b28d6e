import { Feed } from "@tidings/shared/server";
import { server, type Options } from "../src/server.ts";

/** A provider that runs in this process, and the requests that tests make of it. */
export const startProvider = (options: Partial<Options> = {}) => {
  const closing = new AbortController();
  const ends: Promise<unknown>[] = [];
  const feed = options.feed ?? new Feed();
  const app = server({
    feed,
    allowLoopback: true,
    scheduleScale: 0.001,
    ...options,
    signal: closing.signal,
    waitUntil: (end) => ends.push(end),
  }).listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  const url = app.server?.url.origin ?? "";

  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, ...parse(text), text };
  };
  return {
    url,
    feed,
    ask,
    /** Registers an endpoint that must be taken. */
    async register(wish: { url: string; [name: string]: unknown }) {
      const { status, json } = await ask("POST", "/endpoints", wish);
      if (status !== 201) throw new Error(JSON.stringify(json));
      return json;
    },
    /** Publishes, and returns the event's id. */
    async publish(type: string, data: unknown): Promise<string> {
      return (await ask("POST", "/events", { type, data })).json.id;
    },
    /** Resolves when an endpoint's deliveries are as wanted; asks again until then. */
    async deliveries(id: string, wanted: (list: Delivered[]) => boolean): Promise<Delivered[]> {
      for (;;) {
        const { deliveries } = (await ask("GET", `/endpoints/${id}/deliveries`)).json;
        if (wanted(deliveries)) return deliveries;
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all(ends);
      await app.server?.stop(true);
    },
  };
};

export interface Delivered {
  id: string;
  type: string;
  state: "waiting" | "delivered" | "dead";
  dueAt?: number;
  attempts: {
    at: number;
    ms: number;
    status: number | null;
    error: string | null;
    answer: string;
  }[];
}

const parse = (text: string) => {
  try {
    return { json: JSON.parse(text) };
  } catch {
    return { json: undefined };
  }
};
