import {
  checkOptions,
  contract,
  encodePage,
  readQuery,
  unavailable,
  type ServerOptions,
} from "@tidings/shared/server";

export interface Options extends ServerOptions {
  /** What a client shall wait between two polls, in milliseconds. Default 1,000. */
  pollIntervalMs?: number | undefined;
}

export const server = ({ pollIntervalMs = 1_000, ...options }: Options) => {
  checkOptions({ pollIntervalMs }, { pollIntervalMs: { min: 0 } });
  const { app, feed, stats, accept, reply, closing } = contract("short-poll", options);

  // The last answer that said "nothing new", and to what. It is kept as the makings of a Response:
  // Bun sends a Response's headers only once.
  let same: { url: string; tag: string; cursor: string; init: ResponseInit } | undefined;

  return app.get("/events", ({ request }) => {
    // 1. accept: nothing is held, so nobody is counted; a closing server says when to come back.
    // A HEAD comes this way as well, and only its body stays behind. [SHORT-POLL-3]
    if (closing()) throw unavailable();
    // Most polls find nothing new and ask in the very words of the one before, which was let in.
    const { url, headers: asked } = request;
    const tag = asked.get("if-none-match");
    const plain = !asked.has("origin");
    if (plain && tag === same?.tag && url === same.url && feed.cursor === same.cursor)
      return new Response(null, same.init);
    accept(request);

    // 2. authorize: the contract has done it, by header or ticket.

    // 3. resume: the client says what it has; the server keeps nothing between two polls.
    const { after, types, limit } = readQuery(request);
    const reader = feed.reader({ after, types, limit });

    // 4. hand over: nothing goes live. What is published after this read waits for the next poll.
    const batch = reader.read();

    // 5. deliver: the cursor is the answer's ETag, so that "nothing new" costs no body [RFC 9110,
    // section 13.1.2]. [SHORT-POLL-1]
    // While a page leaves something behind, the client need not wait. [SHORT-POLL-4, POLL-3]
    const etag = `"${reader.cursor}"`;
    const pauseMs = reader.cursor === feed.cursor ? pollIntervalMs : 0;
    const headers = new Headers({
      etag,
      "cache-control": "private, no-cache",
      vary: "Origin",
      "x-poll-interval": `${pauseMs / 1000}`,
    });
    const unchanged = tag !== null && matches(tag, etag);
    if (!unchanged) headers.set("content-type", "application/json");
    const page = unchanged ? null : encodePage(batch, reader);
    const status = unchanged ? 304 : 200;
    const answer = reply(request, page, headers, status);
    if (unchanged && plain) same = { url, tag, cursor: feed.cursor, init: { status, headers } };
    if (page !== null && request.method !== "HEAD") {
      stats.delivered += batch?.events.length ?? 0;
      stats.bytesOut += Buffer.byteLength(page);
    }
    return answer;

    // 6. heartbeat: none. Every answer is one.

    // 7. slow reader: none. An answer is one page, and who polls seldom only finds more of them.

    // 8. close: nothing is held open, so there is nothing to release.
  });
};

/** If-None-Match: a list, `*`, and weak comparison [RFC 9110, section 13.1.2]. [SHORT-POLL-2] */
const matches = (header: string, etag: string): boolean =>
  header
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""))
    .some((tag) => tag === "*" || tag === etag);
