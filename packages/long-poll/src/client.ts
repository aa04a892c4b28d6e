import type { FeedEvent } from "@tidings/shared";
import {
  answerTimer,
  ask,
  BackOff,
  bearerHeaders,
  body,
  eventsUrl,
  linkedAbort,
  readPage,
  type Page,
  watchSilence,
  type SubscribeOptions,
} from "@tidings/shared/client";

/**
 * Asks a server for its events, and the server answers when it has some.
 *
 * Throws a `Refusal` when the server refuses for good, such as a malformed cursor.
 */
export async function* subscribe(
  url: string | URL,
  options: SubscribeOptions = {},
): AsyncGenerator<FeedEvent, void> {
  const { types, signal, token, silenceMs = 45_000, onNote } = options;
  const backOff = new BackOff(options);
  let cursor = options.after;

  while (!signal?.aborted) {
    // 1. connect: a request for each answer.
    onNote?.({ kind: "request" });
    const askedAt = performance.now();
    const line = linkedAbort(signal);
    const silence = answerTimer(silenceMs, silent);
    let failure: unknown;
    let page: Page | undefined;
    try {
      // 2. authorize
      const headers = bearerHeaders(token);

      // 3. resume: the cursor is all that the server is told.
      const events = eventsUrl(url, { after: cursor, types });

      // 4. receive: no events means that the time was up, and the cursor is right all the same.
      const response = await ask(events, { signal: line.signal, headers });
      clearTimeout(silence);
      page = await readPage(watchSilence(body(response), silenceMs, silent));
    } catch (error) {
      failure = error;
    } finally {
      close();
    }

    if (page) {
      // Measured before the caller takes its time.
      const soon = performance.now() - askedAt < backOff.minMs;
      // What comes with our own cursor is what we have had.
      const events = page.cursor === cursor ? [] : page.events;
      if (soon && cursor !== undefined && events.length === 0)
        failure = new Error("The server has nothing new, and does not wait for it.");
      backOff.opened();
      for (const event of events) {
        if (signal?.aborted) return;
        // 5. advance: before the event is handed on, for the caller may never ask again.
        cursor = event.id;
        yield event;
      }
      cursor = page.cursor;
    }

    // 6. detect silence: the server ends every wait in time, so a longer one is a dead line.
    function silent(error: Error) {
      line.abort(error);
    }

    // 7. reconnect: at once after an answer [POLL-3]; after a failure with back-off. A server that
    // does not hold us counts as one: it would be asked in a circle. [LONG-POLL-9]
    if (failure !== undefined) await backOff.wait(failure);

    // 8. close: the timer and, if it still runs, the request.
    function close() {
      clearTimeout(silence);
      line.abort();
    }
  }
}
