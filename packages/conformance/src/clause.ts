import type { Capabilities, Json } from "@tidings/shared";
import type { Follower } from "./follower.ts";
import type { Lane, Server, StartOptions, Subscribe, tapBetween } from "./lane.ts";

/** What a clause works with. Everything that it opens here is closed after it, pass or fail. */
export interface Context {
  readonly lane: Lane;
  /** A fresh server; quick in its heartbeats and holds. */
  start(options?: StartOptions): Promise<Server>;
  /** Follows through the technique's own client. */
  follow(url: string, options?: Parameters<Subscribe>[1]): Follower;
  /** A tap between client and server, with the options that make the client use it. */
  tap(url: string): ReturnType<typeof tapBetween>;
  /** Aborted when the clause has taken too long: nothing waits for ever. */
  readonly deadline: AbortSignal;
}

/** One thing that must be true of a server and its client. */
export interface Clause {
  /** The ids of SPEC.md that it proves; the first one names it. */
  readonly ids: readonly [string, ...string[]];
  /** A sentence: what is true when it passes. */
  readonly title: string;
  /** The capability without which it does not apply. */
  readonly needs?: keyof Capabilities;
  /** `server`: speaks HTTP only, so it holds for each half of a pair. Default: the whole lane. */
  readonly of?: "server";
  /** Whether it must start, limit or end the server; a stranger's server is spared it. */
  readonly intrusive?: boolean;
  run(context: Context): Promise<void>;
}

/** Options that make a test short; each technique is given those that it has. */
export const HURRIED: Readonly<Record<string, Json>> = {
  heartbeatMs: 200,
  holdMs: 500,
  pollIntervalMs: 10,
  retryMs: 20,
  scheduleScale: 0.001,
};
