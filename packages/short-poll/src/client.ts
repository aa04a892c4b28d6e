import type { FeedEvent } from "@tidings/shared";
import {
  answerTimer,
  ask,
  BackOff,
  bearerHeaders,
  body,
  eventsUrl,
  linkedAbort,
  MIN_RETRY_MS,
  pause,
  readPage,
  type Page,
  visible,
  watchSilence,
  type SubscribeOptions,
} from "@tidings/shared/client";

export interface Options extends SubscribeOptions {
  /** Pause between two polls, in milliseconds, where the server names none. Default 1,000. */
  intervalMs?: number | undefined;
  /** Ends the subscription after the event for which it is true. */
  until?: ((event: FeedEvent) => boolean) | undefined;
}

/**
 * Asks a server for its events, again and again. A hidden page does not poll.
 *
 * Throws a `Refusal` when the server refuses for good, such as a malformed cursor.
 */
export async function* subscribe(
  url: string | URL,
  options: Options = {},
): AsyncGenerator<FeedEvent, void> {
  const { types, signal, token, silenceMs = 45_000, intervalMs = 1_000, until, onNote } = options;
  const backOff = new BackOff(options);
  let cursor = options.after;
  let etag: string | undefined;

  while (!signal?.aborted) {
    // 1. connect: a request for each poll.
    onNote?.({ kind: "request" });
    const line = linkedAbort(signal);
    const silence = answerTimer(silenceMs, silent);
    let failure: unknown;
    let page: Page | undefined;
    let pauseMs = intervalMs;
    try {
      // 2. authorize
      const headers = { ...bearerHeaders(token), ...ifChanged(etag) };

      // 3. resume: the cursor is all that the server is told.
      const events = eventsUrl(url, { after: cursor, types });

      // 4. receive: 304 says in a few bytes that there is nothing new.
      const response = await ask(events, { signal: line.signal, headers });
      clearTimeout(silence);
      const bytes = () => watchSilence(body(response), silenceMs, silent);
      page = response.status === 304 ? undefined : await readPage(bytes());
      etag = response.headers.get("etag") ?? undefined;
      pauseMs = seconds(response.headers.get("x-poll-interval")) ?? intervalMs;
    } catch (error) {
      failure = error;
    } finally {
      close();
    }

    if (failure === undefined) {
      // What comes with our own cursor is what we have had.
      const events = page && page.cursor !== cursor ? page.events : [];
      // Where nothing came, nothing is left behind: there is no reason to ask without a pause.
      if (events.length === 0) pauseMs = Math.max(pauseMs, MIN_RETRY_MS);
      backOff.opened();
      for (const event of events) {
        if (signal?.aborted) return;
        // 5. advance: before the event is handed on, for the caller may never ask again.
        cursor = event.id;
        yield event;
        if (until?.(event)) return;
      }
      cursor = page?.cursor ?? cursor;
    }

    // 6. detect silence: an answer that does not come, or stops on its way.
    function silent(error: Error) {
      line.abort(error);
    }

    // 7. reconnect: after a failure with back-off; otherwise poll again after the pause that the
    // server asks for, never sooner, and a little jitter, so that clients do not march in step.
    // [SHORT-POLL-4, SHORT-POLL-5]
    if (failure !== undefined) await backOff.wait(failure);
    else await pause(pauseMs * (1 + Math.random() / 5), signal);
    await visible(signal);

    // 8. close: the two things that are so easily forgotten, the timer and the request.
    function close() {
      clearTimeout(silence);
      line.abort();
    }
  }
}

const ifChanged = (etag: string | undefined): Record<string, string> =>
  etag === undefined ? {} : { "if-none-match": etag };

const seconds = (header: string | null) =>
  header !== null && Number(header) >= 0 ? Number(header) * 1000 : undefined;
