import {
  contract,
  encodePage,
  readQuery,
  unavailable,
  type ServerOptions,
} from "@tidings/shared/server";

export interface Options extends ServerOptions {
  /** What a client shall wait between two requests, in milliseconds. Default 1,000. */
  pollIntervalMs?: number | undefined;
}

export const server = ({ pollIntervalMs = 1_000, ...options }: Options) => {
  const { app, feed, stats, accept, reply, closing } = contract("new-technique", options);

  return app.get("/events", ({ request }) => {
    // 1. accept: nothing is held, so nobody is counted; a closing server says when to come back.
    accept(request);
    if (closing()) throw unavailable();

    // 2. authorize: the contract has done it, by header or ticket.

    // 3. resume: the client says what it has.
    const { after, types } = readQuery(request);
    const reader = feed.reader({ after, types });

    // 4. hand over: nothing goes live. What is published after this read waits for the next one.
    const batch = reader.read();

    // 5. deliver: while a page leaves something behind, the client need not wait.
    const pauseMs = reader.cursor === feed.cursor ? pollIntervalMs : 0;
    const page = encodePage(batch, reader);
    if (request.method !== "HEAD") {
      stats.delivered += batch?.events.length ?? 0;
      stats.bytesOut += Buffer.byteLength(page);
    }
    return reply(request, page, {
      "content-type": "application/json",
      "cache-control": "no-store",
      "x-poll-interval": `${pauseMs / 1000}`,
    });

    // 6. heartbeat: none. Every answer is one.

    // 7. slow reader: none. An answer is one page, and the rest waits in the feed.

    // 8. close: nothing is held open, so there is nothing to release.
  });
};
