import { parseCursor, type FeedEvent } from "@tidings/shared";
import { BackOff, linkedAbort, type SubscribeOptions } from "@tidings/shared/client";
import { Feed } from "@tidings/shared/server";
import { Registration } from "./registration.ts";
import { server } from "./server.ts";

export interface Options extends SubscribeOptions {
  /**
   * Where the provider reaches the receiver that listens on this port of this machine. Default
   * `http://127.0.0.1:<port>/webhooks/standard`, for a provider on the same machine.
   */
  publicUrl?: ((port: number) => string) | undefined;
}

// What may have arrived and not been taken yet. More is refused, and comes again.
const MAX_WAITING = 1_000;
// The longest pause between two questions to the provider.
const MAX_CHECK_MS = 5_000;

/**
 * Follows a provider [CONSUMER-10]: starts a receiver on a free port, has the provider call it, and yields each
 * verified event once and in order. For Bun; a browser cannot be called.
 *
 * Throws a `Refusal` when the provider refuses for good, such as a malformed cursor.
 */
export async function* subscribe(
  url: string | URL,
  options: Options = {},
): AsyncGenerator<FeedEvent, void> {
  const { types, signal, token, silenceMs = 45_000, onNote } = options;
  const { publicUrl = (port: number) => `http://127.0.0.1:${port}/webhooks/standard` } = options;
  const backOff = new BackOff(options);
  const registration = new Registration(url, token);
  // What the inbox holds out, until it is taken.
  let next: { event: FeedEvent; taken: () => void } | undefined;
  let wake = () => {};
  let cursor = options.after;

  const onEvent = (event: FeedEvent) =>
    new Promise<void>((taken) => {
      // A test or a ping has no place in the feed.
      if (!parseCursor(event.id)) return taken();
      next = { event, taken };
      wake();
    });

  // 1. connect: here it is the provider that connects. A receiver of our own waits for it.
  const closing = new AbortController();
  const receiver = server({
    feed: new Feed({ maxEvents: 1 }),
    secrets: { standard: () => registration.secrets() },
    onEvent,
    maxWaiting: MAX_WAITING,
    signal: closing.signal,
  }).listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  const address = publicUrl(receiver.server?.port ?? 0);

  try {
    while (!signal?.aborted) {
      const line = linkedAbort(signal);
      let watch: Timer | undefined;
      let failure: unknown;
      try {
        onNote?.({ kind: "request" });

        // 2. authorize: our token there, its signature here: the answer brings the secret.
        const known = await registration.check(line.signal);

        // 3. resume: a provider that knows us has kept our place. One that does not is told it.
        const place = known
          ? known.cursor
          : await registration.register({ url: address, types, after: cursor });
        cursor ??= place ?? undefined;
        backOff.opened();

        watch = setInterval(check, Math.min(silenceMs / 3, MAX_CHECK_MS));

        // 4. receive: what the receiver has verified, and answered with a 2xx.
        line.signal.addEventListener("abort", () => wake());
        while (!line.signal.aborted) {
          const arrived = next;
          next = undefined;
          // 5. advance: before the event is handed on, for the caller may never ask again.
          cursor = arrived?.event.id ?? cursor;
          arrived?.taken();
          if (arrived) yield arrived.event;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
        failure = line.signal.reason;
      } catch (error) {
        failure = error;
      } finally {
        clearInterval(watch);
        line.abort();
      }

      // 6. detect silence: a provider that has died is as quiet as one without news. So we ask it,
      // often enough, whether it still knows us.
      async function check() {
        try {
          const known = await registration.check(line.signal);
          if (!known) throw new Error("The provider does not know the endpoint any more.");
          // Nothing waits there and nothing here: what the filter left out lies behind us.
          if (known.cursor !== null && !next) cursor = known.cursor;
        } catch (error) {
          line.abort(error);
        }
      }

      // 7. reconnect: after a pause with full jitter. Single deliveries are none of our concern:
      // the provider repeats them until we answer.
      await backOff.wait(failure);
    }
  } finally {
    // 8. close: the endpoint is deleted, so that nobody calls us in vain; then the receiver ends.
    await registration.remove();
    await receiver.stop(true);
    closing.abort();
    next?.taken();
  }
}
