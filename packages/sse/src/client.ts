import type { FeedEvent } from "@tidings/shared";
import {
  answerTimer,
  ask,
  BackOff,
  body,
  bearerHeaders,
  eventsUrl,
  linkedAbort,
  Refusal,
  watchSilence,
  type SubscribeOptions,
} from "@tidings/shared/client";
import { decodeEvent, decoder } from "./wire.ts";

/**
 * Follows a server's event stream. `new EventSource(url)` is the shorter way, with three holes
 * that this closes: it cannot send a token, it gives up for good when a server answers 503, and
 * it never notices a connection that has silently died.
 *
 * Throws a `Refusal` when the server refuses for good, such as a malformed cursor, or answers with
 * something else than an event stream.
 */
export async function* subscribe(
  url: string | URL,
  options: SubscribeOptions = {},
): AsyncGenerator<FeedEvent, void> {
  const { types, signal, token, silenceMs = 45_000, onNote } = options;
  const backOff = new BackOff(options);
  let cursor = options.after;

  while (!signal?.aborted) {
    // 1. connect: one request, for as long as it holds.
    onNote?.({ kind: "request" });
    const line = linkedAbort(signal);
    const silence = answerTimer(silenceMs, silent);
    let failure: unknown;
    try {
      // 2. authorize: fetch can send the token, which an EventSource cannot.
      const headers = { accept: "text/event-stream", ...bearerHeaders(token) };

      // 3. resume: an EventSource sends its cursor in Last-Event-ID; we ask for the URL anew.
      const events = eventsUrl(url, { after: cursor, types });

      // 4. receive: a chunk may end anywhere, in the middle of a character, too.
      const response = await ask(events, { signal: line.signal, headers });
      // What is no event stream will not become one. [SSE-13]
      if (!/^text\/event-stream *(;|$)/i.test(response.headers.get("content-type") ?? ""))
        throw new Refusal(response.status, "The server's answer is no event stream.");
      clearTimeout(silence);
      backOff.opened();
      const utf8 = new TextDecoder();
      const decode = decoder();
      for await (const chunk of watchSilence(body(response), silenceMs, silent)) {
        for (const message of decode(utf8.decode(chunk, { stream: true }))) {
          if (signal?.aborted) return;
          backOff.minMs = message.retry ?? backOff.minMs;
          const event = decodeEvent(message);
          // 5. advance: before the event is handed on, for the caller may never ask again.
          cursor = message.id ?? cursor;
          if (event) yield event;
        }
      }
    } catch (error) {
      failure = error;
    } finally {
      close();
    }

    // 6. detect silence: heartbeats are bytes as well, so a healthy stream is never silent.
    function silent(error: Error) {
      line.abort(error);
    }

    // 7. reconnect: after a pause with full jitter; the cursor says where to go on.
    await backOff.wait(failure);

    // 8. close: ends the request if it still runs, and leaves no timer and no listener behind.
    function close() {
      clearTimeout(silence);
      line.abort();
    }
  }
}
