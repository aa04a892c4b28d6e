import { isEventType } from "./event.ts";
import { Problem } from "./problem.ts";

const MAX_TYPES = 32;

/** The place and the filter that a subscriber asks for: `?after=<cursor>&types=a,b`. */
export const readQuery = (request: Request) => {
  const query = new URL(request.url).searchParams;
  const after = query.get("after") ?? undefined;
  const types = query.get("types")?.split(",").sort();
  if (types && (types.length > MAX_TYPES || !types.every(isEventType)))
    throw new Problem(400, `types: must be 1 to ${MAX_TYPES} event types, joined by commas.`);
  return { after, types, query };
};
