import { parseCursor } from "@tidings/shared";
import { contract, readQuery, type Feed } from "@tidings/shared/server";

/**
 * An event stream that resumes `by` events from the right place. Broken on purpose: with -1 the
 * last event comes a second time, with 1 the next one never comes. Nor does it ask whether anybody
 * reads what it writes, so what is not read piles up.
 */
export const server = ({ feed, by }: { feed: Feed; by: -1 | 1 }) => {
  const { app, subscribers } = contract("sse", { feed });
  return app.get("/events", ({ request }) => {
    const { after } = readQuery(request);
    const utf8 = new TextEncoder();
    const place = parseCursor(after ?? "");
    let skip = by === 1 && place ? 1 : 0;
    let leave = () => {};
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        const send = ({ id, ...event }: { id: string }) => {
          if (skip-- <= 0)
            controller.enqueue(utf8.encode(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`));
        };
        controller.enqueue(utf8.encode(`id: ${after ?? feed.cursor}\n\n`));
        const offset = (place?.offset ?? 0) + Math.min(by, 0);
        const from = place && `${place.epoch}-${offset}`;
        const unsubscribe = feed.subscribe(send, { after: from });
        leave = () => {
          unsubscribe();
          subscribers.leave(leave);
        };
        subscribers.join(leave, "");
      },
      cancel: () => leave(),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  });
};
