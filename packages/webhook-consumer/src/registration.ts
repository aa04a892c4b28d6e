import { ask, bearerHeaders, eventsUrl, Refusal } from "@tidings/shared/client";
import { checkSecrets } from "./verify.ts";

/** What a consumer asks a provider for. */
export interface Wish {
  /** The receiver's own URL. */
  url: string;
  types?: readonly string[] | undefined;
  /** Where to begin. Default: from now on. */
  after?: string | undefined;
}

interface Endpoint {
  readonly id: string;
  readonly cursor: string | null;
  readonly disabled: string | null;
  readonly secret?: string;
}

const isEndpoint = (value: unknown): value is Endpoint =>
  typeof value === "object" &&
  value !== null &&
  "id" in value &&
  typeof value.id === "string" &&
  "cursor" in value &&
  "disabled" in value;

// Longer than any answer of a provider that is alive.
const TIMEOUT_MS = 10_000;

/** A receiver's registration at a provider: made once, looked after, made again when it is gone. */
export class Registration {
  readonly #all: URL;
  readonly #token: string | undefined;
  #secrets: readonly string[] = [];
  #endpoint: URL | undefined;
  #pending: Promise<unknown> = Promise.resolve();

  constructor(provider: string | URL, token?: string) {
    this.#all = new URL("endpoints", eventsUrl(provider, {}));
    this.#token = token;
  }

  /**
   * The secret, as a list. The first delivery may overtake the answer that brings its secret, so
   * whoever asks meanwhile waits.
   */
  async secrets(): Promise<readonly string[]> {
    await this.#pending.catch(() => {});
    return this.#secrets;
  }

  /** Whether a provider that we registered at still sends; with its place, when nothing waits. */
  async check(signal?: AbortSignal): Promise<{ cursor: string | null } | undefined> {
    if (!this.#endpoint) return undefined;
    try {
      const endpoint = await this.#ask(this.#endpoint, { method: "GET" }, signal);
      if (isEndpoint(endpoint) && endpoint.disabled === null) return endpoint;
      await this.remove();
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 404)) throw error;
    }
    this.#endpoint = undefined;
    return undefined;
  }

  /**
   * Registers, ordered, and returns the place from which on the provider sends. Nothing cuts it
   * short: a provider that is not heard out keeps an endpoint that nobody knows.
   */
  register(wish: Wish): Promise<string> {
    const pending = this.#register(wish);
    this.#pending = pending;
    return pending;
  }

  async #register(wish: Wish): Promise<string> {
    const body = JSON.stringify({ ...wish, ordered: true });
    const endpoint = await this.#ask(this.#all, { method: "POST", body });
    if (!isEndpoint(endpoint) || !endpoint.secret || endpoint.cursor === null)
      throw new Error("The provider answered without id, secret and cursor.");
    checkSecrets("standard", [endpoint.secret]);
    this.#endpoint = new URL(`endpoints/${endpoint.id}`, this.#all);
    this.#secrets = [endpoint.secret];
    return endpoint.cursor;
  }

  /** Deletes the endpoint, as well as it can. */
  async remove(): Promise<void> {
    await this.#pending.catch(() => {});
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    if (endpoint) await this.#ask(endpoint, { method: "DELETE" }).catch(() => {});
  }

  async #ask(url: URL, init: { method: string; body?: string }, signal?: AbortSignal) {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await ask(url, {
      ...init,
      headers: { "content-type": "application/json", ...bearerHeaders(this.#token) },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const answer: unknown = response.status === 204 ? undefined : await response.json();
    return answer;
  }
}
