import {
  checkOptions,
  contract,
  encodePage,
  readQuery,
  unavailable,
  type Batch,
  type ServerOptions,
} from "@tidings/shared/server";

export interface Options extends ServerOptions {
  /**
   * How long a request is held at the most, in milliseconds. Default 25,000: under the time-outs
   * of proxies (nginx: 60 s). Each wait is up to a fifth shorter, so that they end apart. At most
   * 240,000: Bun cuts what is quiet for longer. Above 45,000 clients need a longer `silenceMs`, and
   * above 60,000 proxies a longer time-out.
   */
  holdMs?: number | undefined;
}

export const server = ({ holdMs = 25_000, ...options }: Options) => {
  checkOptions({ holdMs }, { holdMs: { min: 0, max: 240_000 } });
  const { app, feed, subscribers, stats, accept, reply, addressOf, closing } = contract(
    "long-poll",
    options,
    { serve: { idleTimeout: 10 + Math.ceil(holdMs / 1000) } },
  );

  return app.get("/events", ({ request }) => {
    // 1. accept
    accept(request);
    if (closing()) throw unavailable();

    // 2. authorize: the contract has done it, by header or ticket.

    // 3. resume: the cursor is all the memory there is. An event between two polls is not lost,
    // because nobody relies on having been there when it happened.
    const { after, types, limit } = readQuery(request);
    const wishMs = readPrefer(request.headers.get("prefer")) ?? Infinity;
    const waitMs = Math.min(wishMs, holdMs) * (1 - Math.random() / 5);
    const held = Promise.withResolvers<Response>();
    const reader = feed.reader({ after, types, limit, wake });

    // 4. hand over: the waiter is registered before it reads, so no wake-up falls in between.
    // [LONG-POLL-1] Who has no cursor yet is told its place at once: a wait that breaks off would
    // lose it. [LONG-POLL-5]
    const ready = reader.read();
    const wait = !ready && after !== undefined && waitMs > 0 && request.method !== "HEAD";
    // Who need not wait needs no seat. [LONG-POLL-7]
    if (wait && !subscribers.join(end, addressOf(request))) {
      reader.close();
      throw unavailable();
    }

    // 5. deliver: a burst is one answer, encoded once for all who stand at the same
    // place. [LONG-POLL-6] Who has left reads none, and neither does a HEAD, which never waits.
    function answer(batch?: Batch) {
      const page = encodePage(batch, reader);
      if (wait ? !request.signal.aborted : request.method !== "HEAD") {
        stats.delivered += batch?.events.length ?? 0;
        stats.bytesOut += Buffer.byteLength(page);
      }
      leave();
      held.resolve(reply(request, page, wishMs <= holdMs ? applied(wishMs) : headers));
    }
    function wake() {
      const batch = reader.read();
      if (batch) answer(batch);
    }

    // 6. heartbeat: the answer without events, when the time is up [RFC 6202, section 5.5].
    // [LONG-POLL-2, LONG-POLL-4]
    const timer = wait ? setTimeout(end, waitMs) : undefined;

    // 7. slow reader: none. An answer is one page, and the rest stays in the feed.

    // 8. close: one way out, for an answer, for a client that leaves and for a closing server.
    // [LONG-POLL-8]
    function leave() {
      clearTimeout(timer);
      reader.close();
      subscribers.leave(end);
    }
    function end() {
      answer();
    }
    // It may have left while it was being authorized.
    if (!wait || request.signal.aborted) answer(ready);
    else request.signal.addEventListener("abort", end);
    return held.promise;
  });
};

const headers = new Headers({
  "content-type": "application/json",
  "cache-control": "no-store",
  vary: "Prefer, Origin",
});

const applied = (wishMs: number): Headers => {
  const all = new Headers(headers);
  all.set("preference-applied", `wait=${wishMs / 1000}`);
  return all;
};

/**
 * `Prefer: wait=N` in milliseconds: the first one counts, what is no number does not. Commas part
 * preferences, but not within quotes; after a semicolon come parameters [RFC 7240, section 2].
 * [LONG-POLL-3]
 */
const readPrefer = (header: string | null): number | undefined => {
  const preferences = header?.match(/("(\\.|[^"\\])*"?|[^",])+/g) ?? [];
  const wait = preferences.find((preference) => /^\s*wait\s*(=|;|$)/i.test(preference));
  const [, , seconds] = /^\s*wait\s*=\s*("?)(\d{1,9})\1\s*(;|$)/i.exec(wait ?? "") ?? [];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
};
