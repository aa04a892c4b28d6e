// An address, or a name that public DNS does not have: without a dot, or under `localhost`
// [RFC 6761, section 6.3]. HTTP/1.0 may name none.
const LOCAL = /^(\[.*\]|[\d.]+|[^.:]*|.*\.localhost)(:\d+)?$/i;

const hostname = (origin: string) => (URL.canParse(origin) ? new URL(origin).hostname : undefined);
// As browsers write it: in lower case, without the scheme's own port, and with nothing behind it.
const isOrigin = (text: string) => {
  const url = URL.parse(text);
  return text === "null" || text === `${url?.protocol}//${url?.host}`;
};
const withoutPort = (host: string) => host.replace(/:\d+$/, "").toLowerCase();

/**
 * Which requests may pass: those of pages on the allow-list, those of its own host's pages (on any
 * port), and those that no page sends.
 *
 * Anybody can point a name of theirs at this machine (DNS rebinding), and is then this host to a
 * browser. So the server's own names are local ones and those of the allow-list, and no others.
 *
 * Throws a RangeError for what is no origin: it would let nobody in, and not say so.
 */
export const originPolicy = (allowOrigins: readonly string[] = []) => {
  const wrong = allowOrigins.find((origin) => !isOrigin(origin));
  if (wrong !== undefined)
    throw new RangeError(
      `allowOrigins: must be origins as browsers send them, such as https://example.org, not ${JSON.stringify(wrong)}.`,
    );
  const allowed = new Set(allowOrigins);
  const names = new Set(allowOrigins.map(hostname));
  return ({ method, headers }: Request): boolean => {
    const origin = headers.get("origin");
    if (origin !== null && allowed.has(origin)) return true;
    // Browsers leave it out only where a page reads from its own host [Fetch, section 3.2].
    if (origin === null && method !== "GET" && method !== "HEAD") return true;
    const host = headers.get("host") ?? "";
    if (!LOCAL.test(host) && !names.has(withoutPort(host))) return false;
    return origin === null || hostname(origin) === withoutPort(host);
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
