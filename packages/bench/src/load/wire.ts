// How a contender talks: what the load generator must know of it, and no more.

/** A contender's way of delivering. */
export type Wire =
  /** One answer that never ends. */
  | { readonly kind: "stream"; readonly path: string }
  | {
      readonly kind: "ws";
      readonly path: string;
      /** What must come before a subscriber counts as live; `socket.io` has a handshake of its own. */
      readonly live: "handshake" | "first frame" | "socket.io";
    }
  | {
      readonly kind: "poll";
      readonly path: string;
      /** The server keeps the question until it has an answer. */
      readonly held: boolean;
      /** Where the cursor travels: in the body and the query, or in nchan's headers. */
      readonly cursor: "query" | "headers";
    }
  /** The server calls; the generator is called. */
  | { readonly kind: "webhook"; readonly path: string }
  /** A technique that the generator does not know, through its own client. */
  | { readonly kind: "client"; readonly technique: string };

/** How far the pause between two polls is from the one that is meant, either way: a share of it. */
export const POLL_JITTER = 0.1;

/** Where the subscribers of one worker are opened, and how they behave. */
export interface Site {
  readonly wire: Wire;
  readonly url: string;
  /** How many subscribers this worker has. */
  readonly subscribers: number;
  /** Pause between two polls that are not held, in milliseconds. */
  readonly pollMs: number;
  /** Upper bound of the first pause before a cut subscriber comes back, in milliseconds. */
  readonly backOffMs: number;
  /** Of the jitter of all pauses. */
  readonly seed: number;
  /** Wasted on each delivery, in microseconds, to test that it is found out. Default 0. */
  readonly wasteUs?: number | undefined;
}

/** What a worker has seen pass, from the server's side: `out` is what the server sent. */
export interface Traffic {
  bytesOut: number;
  bytesIn: number;
  requests: number;
}
