import { Problem, type FeedEvent, type Json } from "@tidings/shared";
import { schemes, type Sender } from "./verify.ts";

type Read = (
  id: string | undefined,
  headers: Headers,
  body: Uint8Array,
  nowMs: number,
) => FeedEvent;

// Visible, so that it can stand in a log; and of a header that came twice it is none.
const ID = /^[\x21-\x7e]{1,255}$/;
// Whatever its sender calls it: only our own feed has rules for types.
const TYPE = /^[\x21-\x7e]{1,128}$/;
// What a Date can hold.
const MAX_SECONDS = 8.64e12;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const readObject = (headers: Headers, body: Uint8Array): { readonly [name: string]: Json } => {
  const mediaType = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== "application/json")
    throw new Problem(
      415,
      "content-type: must be application/json; choose that where the webhook was set up.",
    );
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
  if (typeof id !== "string" || !ID.test(id))
    throw new Problem(400, "id: must be 1 to 255 visible characters of ASCII.");
  if (typeof type !== "string" || !TYPE.test(type))
    throw new Problem(400, "type: must be 1 to 128 visible characters of ASCII.");
  if (typeof time !== "string" || Number.isNaN(Date.parse(time)))
    throw new Problem(400, "timestamp: must be a date and time.");
  return { id, type, time, data };
};

/** What a verified delivery says, by sender. */
const read: { readonly [sender in Sender]: Read } = {
  standard(id, headers, body) {
    // What the body looks like is a recommendation: without `data` all of it is data, and without
    // `timestamp` the signed header's counts.
    const all = readObject(headers, body);
    const sentAt = new Date(Number(headers.get("webhook-timestamp")) * 1000).toISOString();
    const { type, timestamp = sentAt, data = all } = all;
    return toEvent(id, type, timestamp, data);
  },
  github(id, headers, body, nowMs) {
    // GitHub says neither when nor, in the body, what.
    const type = headers.get("x-github-event") ?? "";
    return toEvent(id, type, new Date(nowMs).toISOString(), readObject(headers, body));
  },
  stripe(_, headers, body) {
    const { id, type, created, data } = readObject(headers, body);
    if (data === undefined || typeof created !== "number" || !(Math.abs(created) <= MAX_SECONDS))
      throw new Problem(400, "body: needs id, type, created and data.");
    return toEvent(id, type, new Date(created * 1000).toISOString(), data);
  },
};

/**
 * Verifies a delivery, and only then reads it. Throws a problem: 401 not verified, 415 or 400 not
 * readable. [CONSUMER-1, CONSUMER-9]
 */
export const receive = (
  sender: Sender,
  headers: Headers,
  body: Uint8Array,
  secrets: readonly string[],
  nowMs = Date.now(),
): FeedEvent => {
  const { refused, id } = schemes[sender].verify(headers, body, secrets, nowMs);
  if (refused) throw new Problem(401, refused.detail);
  return read[sender](id, headers, body, nowMs);
};
