import { contract, readQuery, type Feed } from "@tidings/shared/server";

/**
 * A correct event stream but for one thing. Broken on purpose: it never notices that a client has
 * left, and keeps its seat and its place in the feed.
 */
export const server = ({ feed }: { feed: Feed }) => {
  const { app, subscribers } = contract("sse", { feed });
  return app.get("/events", ({ request }) => {
    const { after, types } = readQuery(request);
    const utf8 = new TextEncoder();
    let out: ReadableStreamDefaultController<Uint8Array> | undefined;
    const deliver = () => {
      for (let batch = reader.read(); batch; batch = reader.read())
        for (const { id, ...event } of batch.events)
          out?.enqueue(utf8.encode(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`));
    };
    const reader = feed.reader({ after, types, wake: deliver });
    subscribers.join(() => out?.close(), "");
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        out = controller;
        const place = after === undefined ? `id: ${reader.cursor}\n\n` : ":\n\n";
        controller.enqueue(utf8.encode(place));
        deliver();
      },
      cancel() {
        out = undefined;
      },
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  });
};
