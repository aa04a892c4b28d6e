import { isEventType } from "./event.ts";
import { Problem } from "./problem.ts";

const MAX_TYPES = 32;
const MAX_PAGE = 1_000;

/**
 * The path and the query of a request. What its `Host` says is left out: HTTP/1.0 may name none, and
 * others name what is no host in any URL.
 */
export const urlOf = ({ url }: Request): URL =>
  new URL(`http://host.invalid${url.replace(/^https?:\/\/[^/]*/, "")}`);

/** What a subscriber asks for. */
export interface Query {
  /** Where to begin. Default: from now on. */
  readonly after: string | undefined;
  /** What to deliver. Default: everything. */
  readonly types: readonly string[] | undefined;
  /** The most events of a poll's answer, from 1 to 1,000. Default 100. */
  readonly limit: number;
}

let last: { url: string; query: Query } | undefined;

/**
 * Reads `?after=<cursor>&types=a,b&limit=n`. Who stands at the same place asks in the same words,
 * so what was read last is kept. Throws a 400 problem. [POLL-2]
 */
export const readQuery = (request: Request): Query => {
  const { url } = request;
  if (last?.url !== url) last = { url, query: parse(urlOf(request).searchParams) };
  return last.query;
};

const parse = (query: URLSearchParams): Query => {
  const types = query.get("types")?.split(",").sort();
  if (types && (types.length > MAX_TYPES || !types.every(isEventType)))
    throw new Problem(400, `types: must be 1 to ${MAX_TYPES} event types, joined by commas.`);
  const limit = query.get("limit") ?? "100";
  if (!/^\d+$/.test(limit)) throw new Problem(400, "limit: must be a whole number from 1 to 1000.");
  const after = query.get("after") ?? undefined;
  return { after, types, limit: Math.min(Math.max(Number(limit), 1), MAX_PAGE) };
};
