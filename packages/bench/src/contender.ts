import type { Contender as Named } from "./result.ts";
import type { Wire } from "./load/wire.ts";

/** How a contender's server is started. */
export interface StartOptions {
  /** What its command line begins with, so that it stays on its core. */
  readonly prefix: readonly string[];
  /** Default 0: a free one. */
  readonly port?: number | undefined;
  /** A technique's own options; those that it does not have are left out. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** Ends the process when it fires, also while it is not ready yet. Default: never. */
  readonly signal?: AbortSignal | undefined;
}

/** A server that was started for a run. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<unknown>;
}

/** A server that is measured, and how one talks to it. */
export interface Contender extends Named {
  /** Which way of delivering it is, such as `sse`: contenders of one lane can be compared. */
  readonly lane: string;
  readonly wire: Wire;
  /** Where one publishes, with POST. */
  readonly publishPath: string;
  /** Delivers what was published as it was, without id and time. Default false. */
  readonly bare?: boolean | undefined;
  /** Gives a subscriber that comes back what it missed, also when the server was another one. */
  readonly resumes: boolean;
  /** Why it cannot be measured here; undefined when it can. */
  readonly missing?: string | undefined;
  start(options: StartOptions): Promise<Server>;
}

/** Whether a subscriber rests between two polls, so that `pollMs` concerns it. */
export const rests = ({ wire }: Pick<Contender, "wire">): boolean =>
  wire.kind === "poll" && !wire.held;
