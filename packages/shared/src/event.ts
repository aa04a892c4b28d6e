/** Any value that JSON can carry (RFC 8259). */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** One event, as every technique delivers it. SPEC.md, EVENT-1. */
export interface FeedEvent {
  /** `<epoch>-<offset>`; offsets count 1, 2, 3 … without holes. Opaque to clients. */
  readonly id: string;
  /** Lower-case words joined by dots, such as `payment.success`; at most 128 bytes. */
  readonly type: string;
  /** When it was published: RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly data: Json;
}

/** The `data` of a `feed.gap` event: what lay between `after` and `resumesAt` is lost. */
export interface Gap {
  /** The cursor that the client came with. */
  readonly after: string;
  /** The id of the first event that follows, published already or not. */
  readonly resumesAt: string;
  /** `expired`: the window has moved past the cursor. `epoch`: the feed was born anew. */
  readonly reason: "expired" | "epoch";
}

/** The type of the event that stands for what could not be delivered. */
export const GAP = "feed.gap";

/** Longest `type`, in bytes. SPEC.md, EVENT-3. */
export const MAX_TYPE_BYTES = 128;

const TYPE = /^[a-z0-9_]+(\.[a-z0-9_]+)*$/;

/** Whether `type` has the form of an event type. */
export const isEventType = (type: string) => type.length <= MAX_TYPE_BYTES && TYPE.test(type);

/** Whether `value` has the four parts of an event; what lies in `data` is anybody's. */
export const isFeedEvent = (value: unknown): value is FeedEvent =>
  typeof value === "object" &&
  value !== null &&
  "id" in value &&
  typeof value.id === "string" &&
  "type" in value &&
  typeof value.type === "string" &&
  "time" in value &&
  typeof value.time === "string" &&
  "data" in value;

/** A place in a feed: the id of the last event that a client has. */
export interface Cursor {
  readonly epoch: number;
  readonly offset: number;
}

// At most 15 digits each, so that every value is exact in a JavaScript number. No sign, no
// exponent, no leading zero: one place has one spelling.
const CURSOR = /^(0|[1-9]\d{0,14})-(0|[1-9]\d{0,14})$/;

/** Reads a cursor; `undefined` when it is malformed. SPEC.md, CURSOR-2. */
export const parseCursor = (text: string): Cursor | undefined => {
  const [, epoch, offset] = CURSOR.exec(text) ?? [];
  return epoch && offset ? { epoch: Number(epoch), offset: Number(offset) } : undefined;
};
