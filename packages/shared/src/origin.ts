import { urlOf } from "./query.ts";

/**
 * Which pages may talk to this server: those of its own host (on any port), and those of the
 * allow-list. A request without `Origin` does not come from another page's script and may pass.
 */
export const originPolicy = (allowOrigins: readonly string[] = []) => {
  const allowed = new Set(allowOrigins);
  return (request: Request): boolean => {
    const origin = request.headers.get("origin");
    if (origin === null || allowed.has(origin)) return true;
    return URL.canParse(origin) && new URL(origin).hostname === urlOf(request).hostname;
  };
};

/** The CORS headers for a request of an allowed page (Fetch standard, section 3.3). */
export const corsHeaders = (request: Request): Record<string, string> => ({
  "access-control-allow-origin": request.headers.get("origin") ?? "null",
  "access-control-expose-headers": "etag, retry-after, x-poll-interval",
});

/** The answer to a CORS preflight: what the contract's requests use, and nothing else. */
export const preflight = (request: Request): Response =>
  new Response(null, {
    status: 204,
    headers: {
      ...corsHeaders(request),
      vary: "Origin",
      "access-control-allow-methods": "GET, HEAD, POST, DELETE, PATCH",
      "access-control-allow-headers":
        "authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer",
      "access-control-max-age": "600",
    },
  });
