import { isEventType, Problem, type FeedEvent, type Json } from "@tidings/shared";
import * as github from "./github.ts";
import * as standard from "./standard.ts";
import * as stripe from "./stripe.ts";

/** Verifies a delivery and reads it. Throws a problem: 401 not verified, 415 or 400 not readable. */
export type Receive = (
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
  nowMs?: number,
) => FeedEvent;

const MAX_ID_LENGTH = 255;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const readObject = (headers: Headers, body: Uint8Array): { readonly [name: string]: Json } => {
  const mediaType = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== "application/json")
    throw new Problem(415, "content-type: must be application/json.");
  let value: Json;
  try {
    value = JSON.parse(utf8.decode(body));
  } catch {
    throw new Problem(400, "body: must be JSON in UTF-8.");
  }
  if (!isObject(value)) throw new Problem(400, "body: must be a JSON object.");
  return value;
};

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const toEvent = (
  id: Json | undefined,
  type: Json | undefined,
  time: Json | undefined,
  data: Json,
): FeedEvent => {
  if (typeof id !== "string" || id === "" || id.length > MAX_ID_LENGTH)
    throw new Problem(400, `id: must be a string of 1 to ${MAX_ID_LENGTH} characters.`);
  if (typeof type !== "string" || !isEventType(type))
    throw new Problem(400, "type: must be lower-case words joined by dots.");
  if (typeof time !== "string" || Number.isNaN(Date.parse(time)))
    throw new Problem(400, "timestamp: must be a date and time.");
  return { id, type, time, data };
};

/** Whose deliveries are understood, each under `POST /webhooks/<sender>`. */
export const senders = {
  standard(headers, body, secrets, nowMs) {
    const id = standard.verify(headers, body, secrets, nowMs);
    const { type, timestamp, data } = readObject(headers, body);
    if (data === undefined) throw new Problem(400, "data: is missing.");
    return toEvent(id, type, timestamp, data);
  },
  github(headers, body, secrets, nowMs = Date.now()) {
    const id = github.verify(headers, body, secrets);
    // GitHub says neither when nor, in the body, what.
    const type = headers.get("x-github-event") ?? "";
    return toEvent(id, type, new Date(nowMs).toISOString(), readObject(headers, body));
  },
  stripe(headers, body, secrets, nowMs) {
    stripe.verify(headers, body, secrets, nowMs);
    const { id, type, created, data } = readObject(headers, body);
    if (data === undefined || typeof created !== "number")
      throw new Problem(400, "body: needs id, type, created and data.");
    return toEvent(id, type, new Date(created * 1000).toISOString(), data);
  },
} satisfies Record<string, Receive>;

export type Sender = keyof typeof senders;
