import type { Capabilities, FeedEvent } from "@tidings/shared";
import type { Direction } from "@tidings/tap";
import type { Random } from "@tidings/shared/random";
import type { Context } from "./clause.ts";
import type { Follower } from "./follower.ts";
import type { Server, StartOptions, tapBetween } from "./lane.ts";

/** What a fault works with: a lane that runs, and two clients that must end up with everything. */
export interface Scene extends Context {
  /** The server; after a restart the new one. */
  readonly server: Server;
  /** The tap between the server and `client`. */
  readonly between: Awaited<ReturnType<typeof tapBetween>>;
  /** The way that events take through the tap: down, but for a webhook. */
  readonly direction: Direction;
  /** The client that the fault is for. */
  readonly client: Follower;
  /** Another client of the same server, without a tap: what befalls others is none of its concern. */
  readonly witness: Follower;
  /** The script's chance: the same for every technique. */
  readonly random: Random;
  /** True for a short version, with fewer rounds and smaller crowds. */
  readonly quick: boolean;
  /** Publishes the script's next events, each of about so many bytes; default 200. */
  play(count: number, bytes?: number): Promise<FeedEvent[]>;
  /** The text that the data of the event so many places ahead begins with; 1 is the next. */
  mark(ahead: number): string;
  /** Ends the server, and starts it anew on the same port. Returns how the old one ended. */
  restart(signal: NodeJS.Signals): Promise<{ code: number | null }>;
  /** The fault is over: waits until both clients have everything, and takes the client's time. */
  whole(): Promise<void>;
}

/** Something that goes wrong between a server and its clients. */
export interface Fault {
  /** At most 24 characters: it is a row of the matrix. */
  readonly title: string;
  /** The capability without which it does not apply. */
  readonly needs?: keyof Capabilities;
  /** Whether its server has a database on disk, a new one each time it is played. Default false. */
  readonly onDisk?: boolean;
  /** How it wants its server. */
  readonly start?: StartOptions;
  /** After so much silence the clients come back, in milliseconds. Default 1,000. */
  readonly silenceMs?: number;
  run(scene: Scene): Promise<void>;
}

/** What came of a fault. Never 0 for "could not". */
export type Outcome =
  | {
      readonly outcome: "measured";
      /** Events that never arrived, and that no gap event stands for. */
      readonly lost: number;
      /** Deliveries of an event that had arrived before. */
      readonly doubled: number;
      /** Events that arrived after one that was published later. */
      readonly reordered: number;
      /** Gap events that the client was given. */
      readonly gaps: number;
      /** The longest time from a fault's end until the client had everything; null: it never had. */
      readonly wholeMs: number | null;
    }
  | { readonly outcome: "failed"; readonly reason: string }
  | { readonly outcome: "not applicable"; readonly reason: string };

/** Whether the contract was kept: everything arrived, once and in order, or a gap says what did not. */
export const isWhole = (outcome: Outcome): boolean =>
  outcome.outcome === "not applicable" ||
  (outcome.outcome === "measured" &&
    outcome.lost + outcome.doubled + outcome.reordered === 0 &&
    outcome.wholeMs !== null);
