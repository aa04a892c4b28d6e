import { isFeedEvent, type FeedEvent } from "@tidings/shared";
import {
  answerTimer,
  BackOff,
  eventsUrl,
  fetchTicket,
  Inbox,
  linkedAbort,
  watchSilence,
  type SubscribeOptions,
} from "@tidings/shared/client";
import { Closed, hangUp, whyRefused } from "./closed.ts";
import { cursorOf, PROTOCOL } from "./wire.ts";

export interface Options extends SubscribeOptions {
  /** Most frames that wait for the caller; with more the client hangs up and resumes. Default 10,000. */
  maxWaiting?: number | undefined;
}

/**
 * Follows a server over a WebSocket.
 *
 * Throws a `Refusal` when the server refuses for good, such as a malformed cursor, or speaks no
 * WebSocket.
 */
export async function* subscribe(
  url: string | URL,
  options: Options = {},
): AsyncGenerator<FeedEvent, void> {
  const { types, signal, token, silenceMs = 45_000, maxWaiting = 10_000, onNote } = options;
  const backOff = new BackOff(options);
  let cursor = options.after;

  while (!signal?.aborted) {
    // 1. connect: one socket, for as long as it holds.
    onNote?.({ kind: "request" });
    const line = linkedAbort(signal);
    const silence = answerTimer(silenceMs, silent);
    let opened = false;
    let failure: unknown;
    try {
      // 2. authorize: a browser's WebSocket cannot send the token, but a ticket in its URL.
      const ticket = token === undefined ? undefined : await fetchTicket(url, token, line.signal);
      line.signal.throwIfAborted();

      // 3. resume
      const events = eventsUrl(url, { after: cursor, types, ticket });

      // 4. receive: frames wait here until the caller has time for them.
      const socket = new WebSocket(`${events}`.replace(/^http/, "ws"), PROTOCOL);
      const frames = new Inbox<string>(maxWaiting);
      line.signal.addEventListener("abort", () => {
        frames.end(line.signal.reason);
        hangUp(socket);
      });
      socket.onopen = () => {
        opened = true;
        backOff.opened();
      };
      socket.onmessage = ({ data }) => {
        // The frame that found no room is lost here; the cursor brings it again.
        if (!frames.push(`${data}`)) line.abort(new Error("The caller reads too slowly."));
      };
      socket.onclose = ({ code, reason }) => frames.end(new Closed(code, reason));
      clearTimeout(silence);
      for await (const text of watchSilence(frames, silenceMs, silent)) {
        if (signal?.aborted) return;
        const said: unknown = JSON.parse(text);
        // 5. advance: before the event is handed on, for the caller may never ask again.
        cursor = cursorOf(said) ?? cursor;
        if (isFeedEvent(said)) yield said;
      }
    } catch (error) {
      failure = error;
    } finally {
      close();
    }

    // 6. detect silence: a browser does not show pings, so the heartbeat is a frame.
    function silent(error: Error) {
      line.abort(error);
    }

    // 7. reconnect: by the close code; a handshake that failed has none, so the server is asked.
    if (failure instanceof Closed && failure.code === 1000) return;
    if (failure instanceof Closed && !opened)
      failure = (await whyRefused(url, options, cursor)) ?? failure;
    await backOff.wait(failure);

    // 8. close: the timer, and by the line's abort the socket or the request for a ticket.
    function close() {
      clearTimeout(silence);
      line.abort();
    }
  }
}
