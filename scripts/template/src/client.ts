import type { FeedEvent } from "@tidings/shared";
import {
  answerTimer,
  ask,
  BackOff,
  bearerHeaders,
  body,
  eventsUrl,
  linkedAbort,
  pause,
  readPage,
  type Page,
  watchSilence,
  type SubscribeOptions,
} from "@tidings/shared/client";

/**
 * Asks a server for its events, again and again.
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
    const line = linkedAbort(signal);
    const silence = answerTimer(silenceMs, silent);
    let failure: unknown;
    let page: Page | undefined;
    let pauseMs = 0;
    try {
      // 2. authorize
      const headers = bearerHeaders(token);

      // 3. resume: the cursor is all that the server is told.
      const events = eventsUrl(url, { after: cursor, types });

      // 4. receive
      const response = await ask(events, { signal: line.signal, headers });
      clearTimeout(silence);
      page = await readPage(watchSilence(body(response), silenceMs, silent));
      pauseMs = Number(response.headers.get("x-poll-interval")) * 1000;
    } catch (error) {
      failure = error;
    } finally {
      close();
    }

    if (page) {
      backOff.opened();
      for (const event of page.events) {
        if (signal?.aborted) return;
        // 5. advance: before the event is handed on, for the caller may never ask again.
        cursor = event.id;
        yield event;
      }
      cursor = page.cursor;
    }

    // 6. detect silence: an answer that does not come, or stops on its way.
    function silent(error: Error) {
      line.abort(error);
    }

    // 7. reconnect: after a failure with back-off, after an answer with the pause that it asks for.
    if (failure !== undefined) await backOff.wait(failure);
    else await pause(pauseMs, signal);

    // 8. close: the timer and, if it still runs, the request.
    function close() {
      clearTimeout(silence);
      line.abort();
    }
  }
}
