import { isEventType, Problem, type Json } from "@tidings/shared";
import { readUrl } from "./address.ts";
import type { Settings } from "./registry.ts";

/** What an endpoint's owner asks for. */
export interface Registration extends Settings {
  /** Where to begin. Undefined: from now on. */
  readonly after: string | undefined;
}

const MAX_TYPES = 32;
const MAX_HEADERS = 10;
const MAX_HEADER_BYTES = 4_096;
const MIN_RATE = 0.001;

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The members of a body. Throws a 422 problem when it is no object, or has others. */
export const readFields = (body: Json, known: readonly string[]) => {
  if (!isObject(body) || !Object.keys(body).every((name) => known.includes(name)))
    throw new Problem(422, `body: must be an object with no more than ${known.join(", ")}.`);
  return body;
};

/** A text. Throws a 422 problem that names the field. */
export const readText = (name: string, value: Json | undefined): string => {
  if (typeof value !== "string") throw new Problem(422, `${name}: must be a string.`);
  return value;
};

const readTypes = (value: Json): string[] | undefined => {
  if (value === null) return undefined;
  const types = Array.isArray(value) ? value : [];
  const good = types.filter((type) => typeof type === "string" && isEventType(type));
  if (good.length === 0 || good.length !== types.length || good.length > MAX_TYPES)
    throw new Problem(400, `types: must be 1 to ${MAX_TYPES} event types, or null for all.`);
  return [...new Set<string>(good)];
};

const readOrdered = (value: Json): boolean => {
  if (typeof value !== "boolean") throw new Problem(422, "ordered: must be true or false.");
  return value;
};

const readRate = (value: Json, most: number): number | undefined => {
  if (value === null) return undefined;
  if (typeof value !== "number" || !(value >= MIN_RATE && value <= most))
    throw new Problem(
      422,
      `ratePerSecond: must be a number from ${MIN_RATE} to ${most}, or null for the server's.`,
    );
  return value;
};

// What the delivery itself says, what frames it, and what belongs to one connection (RFC 9110,
// section 7.6.1) is not an endpoint's to say. [PROVIDER-18]
const OURS =
  /^(?:webhook-.*|proxy-.*|host|content-.*|accept-encoding|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect)$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[!-~](?:[ -~]*[!-~])?$/;

const readHeaders = (value: Json): Record<string, string> => {
  if (value === null) return {};
  const headers = new Map<string, string>();
  let bytes = 0;
  const given = isObject(value) ? Object.entries(value) : undefined;
  for (const [name, text] of given ?? []) {
    const lower = name.toLowerCase();
    if (!NAME.test(lower) || headers.has(lower))
      throw new Problem(422, "headers: each name must be a token, and stand there once.");
    if (OURS.test(lower))
      throw new Problem(
        422,
        "headers: must not name host, content-*, webhook-*, proxy-*, or what belongs to the connection.",
      );
    if (typeof text !== "string" || !VALUE.test(text))
      throw new Problem(
        422,
        "headers: each value must be printable ASCII, without spaces around it.",
      );
    headers.set(lower, text);
    bytes += lower.length + text.length;
  }
  if (!given || given.length > MAX_HEADERS || bytes > MAX_HEADER_BYTES)
    throw new Problem(
      422,
      `headers: must be an object of at most ${MAX_HEADERS} headers and ${MAX_HEADER_BYTES} bytes.`,
    );
  return Object.fromEntries(headers);
};

const CHANGEABLE = ["url", "types", "ordered", "headers", "ratePerSecond"];

const readSettings = (
  { url, types, ordered, headers, ratePerSecond: rate }: { readonly [name: string]: Json },
  maxRate: number,
): Partial<Settings> => ({
  ...(url === undefined ? {} : { url: readUrl(readText("url", url)).href }),
  ...(types === undefined ? {} : { types: readTypes(types) }),
  ...(ordered === undefined ? {} : { ordered: readOrdered(ordered) }),
  ...(headers === undefined ? {} : { headers: readHeaders(headers) }),
  ...(rate === undefined ? {} : { ratePerSecond: readRate(rate, maxRate) }),
});

/**
 * Reads what shall be changed about an endpoint. Throws a problem that names the field: 422, for
 * types 400.
 */
export const readChange = (body: Json, maxRate: number): Partial<Settings> =>
  readSettings(readFields(body, CHANGEABLE), maxRate);

/** Reads a registration; the plain form's has a type from elsewhere, and nothing but a URL. */
export const readRegistration = (body: Json, maxRate: number, type?: string): Registration => {
  const fields = readFields(body, type === undefined ? [...CHANGEABLE, "after"] : ["url"]);
  const { url, after } = fields;
  return {
    types: type === undefined ? undefined : [type],
    ordered: false,
    headers: {},
    ratePerSecond: undefined,
    ...readSettings(fields, maxRate),
    url: readUrl(readText("url", url)).href,
    after: after === undefined ? undefined : readText("after", after),
  };
};
