import type { FeedEvent, Json } from "@tidings/shared";
import { checkLength } from "@tidings/shared/client";

/** One message of an event stream. A message without `data` moves the cursor and dispatches nothing. */
export interface Message {
  readonly id?: string | undefined;
  readonly event?: string | undefined;
  readonly data?: string | undefined;
  readonly retry?: number | undefined;
  readonly comment?: string | undefined;
}

const LINE_END = /\r\n|\r|\n/;

// A field's value is one line: a line end in it would start a field of the attacker's choice, and
// a NUL makes clients ignore an id [HTML, section 9.2.6]. [SSE-5]
const oneLine = (name: string, value: string) => {
  if (/[\r\n\0]/.test(value)) throw new TypeError(`${name}: must not contain CR, LF or NUL.`);
  return `${name}: ${value}\n`;
};

/** A message as it stands on the wire [HTML, section 9.2.5]. */
export const encode = ({ id, event, data, retry, comment }: Message): string => {
  let text = "";
  if (comment !== undefined) text += oneLine("", comment);
  if (retry !== undefined) text += oneLine("retry", `${Math.round(retry)}`);
  if (id !== undefined) text += oneLine("id", id);
  if (event !== undefined) text += oneLine("event", event);
  if (data !== undefined) for (const line of data.split(LINE_END)) text += `data: ${line}\n`;
  return `${text}\n`;
};

/**
 * An event as a message. The id travels in SSE's own field and not a second time in the data. The
 * type stays in the data, because `onmessage` gets every event only when none has an `event:`
 * field [SSE-3]; `named` puts it there, for pages that listen to the types that they know. [SSE-4]
 */
export const encodeEvent = ({ id, ...event }: FeedEvent, named = false): string =>
  encode({ id, event: named ? event.type : undefined, data: JSON.stringify(event) });

/** Events that are delivered together. */
interface Together {
  readonly events: readonly FeedEvent[];
}

const encodeAll = (events: readonly FeedEvent[], named: boolean) =>
  new TextEncoder().encode(events.map((event) => encodeEvent(event, named)).join(""));

/** As their messages. */
export const encodeBatch = ({ events }: Together) => encodeAll(events, false);
/** As messages for pages that listen to types. */
export const encodeNamed = ({ events }: Together) => encodeAll(events, true);

/** Cuts text chunks into messages; the state between two chunks is its own. [SSE-12] */
export const decoder = () => {
  let rest = "";
  let length = 0;
  // What the next chunk loses when it begins with it: at first a byte order mark.
  let skip = "\uFEFF";
  let data: string[] = [];
  let id: string | undefined;
  let event: string | undefined;
  let retry: number | undefined;

  return function* decode(chunk: string): Generator<Message> {
    rest += skip && chunk.startsWith(skip) ? chunk.slice(1) : chunk;
    // A CR at the very end ends its line at once; an LF that follows is the rest of a CRLF.
    if (chunk) skip = chunk.endsWith("\r") ? "\n" : "";
    length += chunk.length;
    const lines = rest.split(LINE_END);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, event, retry, data: data.join("\n") };
        else if (id !== undefined || retry !== undefined) yield { id, retry };
        data = [];
        id = event = retry = undefined;
        length = 0;
        continue;
      }
      const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === "data") data.push(value);
      else if (field === "event") event = value;
      else if (field === "id" && !value.includes("\0")) id = value;
      else if (field === "retry" && /^\d+$/.test(value)) retry = Number(value);
    }
    checkLength("message", length);
  };
};

/** A message back as the event that it carries; `undefined` when it carries none. */
export const decodeEvent = ({ id, data }: Message): FeedEvent | undefined => {
  if (id === undefined || data === undefined) return undefined;
  const event: Json = JSON.parse(data);
  return isEventBody(event) ? { ...event, id } : undefined;
};

const isEventBody = (value: unknown): value is Omit<FeedEvent, "id"> =>
  typeof value === "object" &&
  value !== null &&
  "type" in value &&
  typeof value.type === "string" &&
  "time" in value &&
  typeof value.time === "string" &&
  "data" in value;
