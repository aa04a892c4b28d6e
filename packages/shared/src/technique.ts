import type { Json } from "./event.ts";

/** What a technique may be able to do; the kit has clauses for each. */
export interface Capabilities {
  /** A subscriber comes back with a cursor and is given what it missed. */
  replay: Capability;
  /** `types=` narrows what is delivered. */
  filters: Capability;
  /** Events arrive in the order in which they were published. */
  ordered: Capability;
  /** Subscribers are held open, so the server counts, limits and ends them. */
  held: Capability;
  /** With a file as its `database`: what got a 201 is delivered, although the server was killed. */
  durable: Capability;
  /** The client can publish over the same connection. */
  bidirectional: Capability;
  /** The client runs in a browser, too. */
  browser: Capability;
}

/** `true`, or the reason why not: it is shown wherever the technique is. */
export type Capability = true | { readonly lacks: string };

/** The manifest of a technique: everything that the rest of the house knows about it. */
export interface Technique {
  /** The folder's name. */
  readonly name: string;
  readonly title: string;
  /** The idea in one line. */
  readonly idea: string;
  /** Who speaks when there is news. */
  readonly direction: "client asks" | "server pushes" | "both ways" | "server calls server";
  /** What it costs you, in one line. */
  readonly costs: string;
  /** The documents that define it. */
  readonly specs: readonly { readonly title: string; readonly url: string }[];
  readonly capabilities: Capabilities;
  /** Clauses of SPEC.md that it does not keep, by id, each with the reason. */
  readonly deviations: Readonly<Record<string, string>>;
  /**
   * Set in both halves of a pair: the webhook provider calls, the webhook consumer is called, and
   * only together are they a lane. Default: the technique's own server and its own client.
   */
  readonly pair?: { readonly server: string; readonly client: string };
  /** Options that the launcher sets, and says so; its own `--options` win. Default: none. */
  readonly serveOptions?: Readonly<Record<string, Json>>;
}

/** Checks a manifest's type where it is written. */
export const defineTechnique = (technique: Technique): Technique => technique;
