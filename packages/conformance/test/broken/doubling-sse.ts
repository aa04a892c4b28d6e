import { contract, readQuery, type Feed } from "@tidings/shared/server";

/**
 * An event stream that reads the history, waits for something else, and goes live from a moment
 * before. Broken on purpose: what is published in between is delivered twice.
 */
export const server = ({ feed }: { feed: Feed }) => {
  const { app, subscribers } = contract("sse", { feed });
  return app.get("/events", ({ request }) => {
    const { after } = readQuery(request);
    const utf8 = new TextEncoder();
    let leave = () => {};
    const stream = new ReadableStream<Uint8Array>({
      async start(controller) {
        const send = ({ id, ...event }: { id: string }) =>
          controller.enqueue(utf8.encode(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`));
        controller.enqueue(utf8.encode(`id: ${after ?? feed.cursor}\n\n`));
        const live: { id: string }[] = [];
        let sendLive = (event: { id: string }): void => void live.push(event);
        const unsubscribe = feed.subscribe((event) => sendLive(event));
        leave = () => {
          unsubscribe();
          subscribers.leave(leave);
        };
        subscribers.join(leave, "");
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (after !== undefined) feed.since(after).forEach(send);
        live.forEach(send);
        sendLive = send;
      },
      cancel: () => leave(),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  });
};
