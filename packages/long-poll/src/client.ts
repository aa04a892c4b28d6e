import type { FeedEvent } from "@tidings/shared";
import {
  ask,
  BackOff,
  bearerHeaders,
  eventsUrl,
  linkedAbort,
  readPage,
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
    const line = linkedAbort(signal);
    // 6. detect silence: the server ends every wait in time, so a longer one is a dead line.
    const silence = setTimeout(line.abort, silenceMs, new Error("The server does not answer."));
    let failure: unknown;
    try {
      // 1. connect
      onNote?.({ kind: "request" });
      const response = await ask(
        // 3. resume
        eventsUrl(url, { after: cursor, types }),
        // 2. authorize
        { signal: line.signal, headers: bearerHeaders(token) },
      );

      // 4. receive: no events means that the time was up, and the cursor is right all the same.
      const page = await readPage(response);
      clearTimeout(silence);
      backOff.opened();
      for (const event of page.events) {
        // 5. advance
        cursor = event.id;
        yield event;
      }
      cursor = page.cursor;
    } catch (error) {
      failure = error;
    } finally {
      // 8. close: the timer and, if it still runs, the request.
      clearTimeout(silence);
      line.abort();
    }
    // 7. reconnect: at once after an answer; after a failure with back-off.
    if (failure !== undefined) await backOff.wait(failure);
  }
}
