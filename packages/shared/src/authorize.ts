import { timingSafeEqual } from "node:crypto";
import { Problem } from "./problem.ts";
import { urlOf } from "./query.ts";

/** Whether this request may publish and subscribe. */
export type Authorize = (request: Request) => boolean | Promise<boolean>;

const hash = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest();

/**
 * Authorizes requests that carry `Authorization: Bearer <token>` (RFC 6750, section 2.1). The
 * comparison takes the same time whatever is wrong: both sides are hashed to one length first.
 */
export const bearer = (token: string): Authorize => {
  const expected = hash(token);
  return (request) => {
    const [, given] = /^bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    return timingSafeEqual(hash(given ?? ""), expected) && given !== undefined;
  };
};

/**
 * Short-lived, single-use stand-ins for the token. A browser cannot put headers on EventSource and
 * WebSocket (whatwg/html #2177, #3062), and a token in a URL ends up in logs; a used ticket may.
 */
export class Tickets {
  readonly #ttlMs: number;
  readonly #max: number;
  readonly #valid = new Map<string, number>();

  constructor({ ttlMs = 30_000, max = 10_000 } = {}) {
    this.#ttlMs = ttlMs;
    this.#max = max;
  }

  issue(): { ticket: string; expiresInMs: number } {
    // Insertion order is expiry order: what has expired lies at the front.
    for (const [ticket, expires] of this.#valid) {
      if (expires > Date.now() && this.#valid.size < this.#max) break;
      this.#valid.delete(ticket);
    }
    const ticket = crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
    this.#valid.set(ticket, Date.now() + this.#ttlMs);
    return { ticket, expiresInMs: this.#ttlMs };
  }

  redeem(ticket: string): boolean {
    const expires = this.#valid.get(ticket) ?? 0;
    this.#valid.delete(ticket);
    return expires > Date.now();
  }
}

/**
 * Who may come in: everybody when there is no rule, else the rule's friends, and to `GET /events`
 * ticket holders. A ticket that could fetch tickets would be a token that never expires.
 */
export const gate = (rule: Authorize | undefined, tickets: Tickets) => async (request: Request) => {
  if (!rule || (await rule(request))) return;
  const { pathname, searchParams } = urlOf(request);
  const ticket = searchParams.get("ticket");
  const subscribes = request.method === "GET" && pathname === "/events";
  if (subscribes && ticket && tickets.redeem(ticket)) return;
  throw new Problem(
    401,
    "authorization: send `Authorization: Bearer <token>`, or with GET /events `?ticket=` and a fresh one from POST /tickets.",
    { "www-authenticate": "Bearer" },
  );
};
