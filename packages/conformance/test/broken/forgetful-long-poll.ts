import { contract, type Feed } from "@tidings/shared/server";

/**
 * The long poll of the textbooks: an array of waiting responses, answered when something happens.
 * Broken on purpose: what happens between two polls is forgotten, for nobody was waiting then.
 */
export const server = ({ feed }: { feed: Feed }) => {
  const { app } = contract("long-poll", { feed });
  let waiting: ((answer: Response) => void)[] = [];
  feed.subscribe((event) => {
    const answer = { events: [event], cursor: event.id };
    for (const resolve of waiting.splice(0)) resolve(Response.json(answer));
  });
  return app.get("/events", async ({ request }) => {
    if (!new URL(request.url).searchParams.has("after"))
      return Response.json({ events: [], cursor: feed.cursor });
    return new Promise<Response>((resolve) => {
      waiting.push(resolve);
      request.signal.addEventListener("abort", () => {
        waiting = waiting.filter((other) => other !== resolve);
      });
    });
  });
};
