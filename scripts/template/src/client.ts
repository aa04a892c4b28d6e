import type { FeedEvent } from "@tidings/shared";
import {
  ask,
  BackOff,
  bearerHeaders,
  eventsUrl,
  linkedAbort,
  pause,
  readPage,
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
    const line = linkedAbort(signal);
    // 6. detect silence: an answer that does not come.
    const silence = setTimeout(line.abort, silenceMs, new Error("The server does not answer."));
    let failure: unknown;
    let pauseMs = 0;
    try {
      // 1. connect
      onNote?.({ kind: "request" });
      const response = await ask(
        // 3. resume
        eventsUrl(url, { after: cursor, types }),
        // 2. authorize
        { signal: line.signal, headers: bearerHeaders(token) },
      );
      backOff.opened();

      // 4. receive
      const page = await readPage(response);
      clearTimeout(silence);
      for (const event of page.events) {
        // 5. advance: before the event is handed on, for the caller may never ask again.
        cursor = event.id;
        yield event;
      }
      cursor = page.cursor;
      pauseMs = Number(response.headers.get("x-poll-interval")) * 1000;
    } catch (error) {
      failure = error;
    } finally {
      // 8. close: the timer and, if it still runs, the request.
      clearTimeout(silence);
      line.abort();
    }
    // 7. reconnect: after a failure with back-off, after an answer with the pause that it asks for.
    if (failure !== undefined) await backOff.wait(failure);
    else await pause(pauseMs, signal);
  }
}
