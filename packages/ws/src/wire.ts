import { isFeedEvent, Problem, type FeedEvent, type Json } from "@tidings/shared";

/** The subprotocol of these frames. */
export const PROTOCOL = "tidings.v1";

/** What a client may say. */
export type ClientFrame =
  | { readonly type: "publish"; readonly event: Json; readonly key: string | undefined }
  | { readonly type: "ping" };

/** What the server says beside events; an event's frame is the event's own JSON. */
export const frame = {
  heartbeat: (cursor: string) => JSON.stringify({ type: "heartbeat", cursor }),
  pong: () => JSON.stringify({ type: "pong" }),
  published: (event: FeedEvent) => JSON.stringify({ type: "published", event }),
  error: (problem: Problem) => JSON.stringify({ ...problem.toJSON(), type: "error" }),
};

/** Reads a client's frame. Throws a 400 problem that names the cure. */
export const decode = (message: string | Uint8Array): ClientFrame => {
  const value = typeof message === "string" ? parse(message) : undefined;
  if (isRecord(value) && value.type === "ping") return { type: "ping" };
  if (isRecord(value) && value.type === "publish") {
    const { event, key } = value;
    if (event !== undefined && (key === undefined || typeof key === "string"))
      return { type: "publish", event, key };
  }
  throw new Problem(
    400,
    'frame: must be text, {"type":"publish","event":{"type","data"},"key"?} or {"type":"ping"}.',
  );
};

const parse = (text: string): Json | undefined => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const isRecord = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The place that a server's frame tells: an event's id, or a heartbeat's cursor. */
export const cursorOf = (said: unknown): string | undefined => {
  if (isFeedEvent(said)) return said.id;
  const heartbeat = typeof said === "object" && said !== null && "cursor" in said;
  return heartbeat && typeof said.cursor === "string" ? said.cursor : undefined;
};

/** Whether a client comes back after a close code: the table in SPEC.md. [WS-12] */
export const comesBack = (code: number): boolean =>
  [1001, 1005, 1006, 1011, 1012, 1013].includes(code);
