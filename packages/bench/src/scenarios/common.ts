import type { Contender } from "../contender.ts";
import { stamped } from "../load/stamp.ts";

/** A server's start, about, in milliseconds. */
export const START_MS = 100;

/** Its subscribers' start, and the end of all, about, in milliseconds. */
export const OPEN_MS = 20;

/** What a stretch takes beside its own time, about, in milliseconds: orders, and a last look. */
export const STRETCH_MS = 70;

/** Upper bound of the first pause before a cut subscriber comes back, in milliseconds. */
export const BACK_OFF_MS = 250;

/** The length of an event's JSON: what a contender has to carry. */
export const payloadBytesOf = ({ bare = false }: Contender, payloadBytes: number): number =>
  JSON.stringify({
    type: "bench.tick",
    data: stamped(0, payloadBytes),
    ...(!bare && { id: "1763675000123-42", time: "2026-11-20T21:48:00.000Z" }),
  }).length;
