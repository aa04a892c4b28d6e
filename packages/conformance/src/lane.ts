import type { FeedEvent, Json, Technique } from "@tidings/shared";
import type { SubscribeOptions } from "@tidings/shared/client";
import type { FeedOptions } from "@tidings/shared/server";
import { openTap, type Tap } from "@tidings/tap";

/** A technique's `subscribe`. */
export type Subscribe = (
  url: string | URL,
  options?: SubscribeOptions & { publicUrl?: (port: number) => string },
) => AsyncGenerator<FeedEvent, void>;

/** How a clause wants its server. */
export interface StartOptions {
  /** The technique's own options; those of others are left out. */
  options?: Readonly<Record<string, Json>> | undefined;
  feed?: FeedOptions | undefined;
  port?: number | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

/** A server that the kit has started and may end. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  /** The server's process, when it is one of its own. */
  readonly pid?: number | undefined;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null }>;
}

/** A technique under test: how to start its server and how to subscribe to it. */
export interface Lane {
  readonly technique: Technique;
  readonly subscribe: Subscribe;
  /** Starts a server of the kind that `subscribe` talks to. */
  start(options?: StartOptions): Promise<Server>;
  /** False when the server is somebody else's: it runs already and is not ours to end. */
  readonly ours: boolean;
}

/** Publishes, and throws when the answer is not 201. */
export const publish = async (url: string, type: string, data: Json): Promise<FeedEvent> => {
  const response = await post(url, JSON.stringify({ type, data }));
  if (response.status !== 201)
    throw new Error(`publish: ${response.status} ${await response.text()}`);
  return (await response.json()) as FeedEvent;
};

export const post = (url: string, body: Bun.BodyInit, headers: Record<string, string> = {}) =>
  fetch(`${url}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });

/** `GET /status`. */
export const status = async (url: string): Promise<Record<string, unknown>> =>
  (await fetch(`${url}/status`)).json() as Promise<Record<string, unknown>>;

/** Resolves as soon as `holds` does; asks again and again, because a status cannot be awaited. */
export const eventually = async (
  holds: () => Promise<boolean>,
  { signal, what }: { signal: AbortSignal; what: string },
) => {
  while (!(await holds())) {
    if (signal.aborted) throw new Error(`never came true: ${what}`);
    await Bun.sleep(5);
  }
};

/**
 * Puts a tap between a technique's client and its server. For most it stands before the server;
 * a webhook goes the other way, so there it stands before the client's receiver.
 */
export const tapBetween = async (technique: Technique, url: string) => {
  const tap: Tap = await openTap({ target: url, record: false });
  const options: NonNullable<Parameters<Subscribe>[1]> = {};
  if (!technique.pair) return { tap, url: tap.url, options };
  options.publicUrl = (port) => {
    tap.retarget(`http://127.0.0.1:${port}`);
    return `${tap.url}/webhooks/standard`;
  };
  return { tap, url, options };
};
