import { stamped } from "../load/stamp.ts";

/** A server's start, its subscribers' and its end, about, in milliseconds. */
export const OPEN_MS = 250;

/** Upper bound of the first pause before a cut subscriber comes back, in milliseconds. */
export const BACK_OFF_MS = 250;

/** The length of an event's JSON: what every technique has to carry. */
export const payloadBytesOf = (payloadBytes: number): number =>
  JSON.stringify({
    id: "1763675000123-42",
    type: "bench.tick",
    time: "2026-11-20T21:48:00.000Z",
    data: stamped(0, payloadBytes),
  }).length;
