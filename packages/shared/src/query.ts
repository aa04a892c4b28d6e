import { isEventType } from "./event.ts";
import { Problem } from "./problem.ts";

const MAX_TYPES = 32;
const MAX_PAGE = 1_000;

/** The URL of a request. One that names no host, as HTTP/1.0 may, has nothing but a path. */
export const urlOf = (request: Request): URL => new URL(request.url, "http://host.invalid");

/** A query as Elysia parses it. */
export type Query = Readonly<Record<string, string | undefined>>;

/** The place and the filter that a subscriber asks for: `?after=<cursor>&types=a,b`. */
export const readQuery = (query: Query) => {
  const types = query.types?.split(",").sort();
  if (types && (types.length > MAX_TYPES || !types.every(isEventType)))
    throw new Problem(400, `types: must be 1 to ${MAX_TYPES} event types, joined by commas.`);
  return { after: query.after, types };
};

/** The most events of a poll's answer: `?limit=`, clamped to 1 to 1,000; default 100. [POLL-2] */
export const readLimit = ({ limit = "100" }: Query): number => {
  if (!/^\d+$/.test(limit)) throw new Problem(400, "limit: must be a whole number from 1 to 1000.");
  return Math.min(Math.max(Number(limit), 1), MAX_PAGE);
};
