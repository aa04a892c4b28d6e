import { ask, bearerHeaders } from "@tidings/shared/client";
import type { Metrics } from "./metrics.ts";

export interface DestinationOptions {
  /** Ends what is on its way. */
  signal?: AbortSignal | undefined;
  /** Sent as a bearer token. */
  token?: string | undefined;
  /** How long a server may take to answer, in milliseconds. Default 5,000. */
  timeoutMs?: number | undefined;
  /** Told when the server goes away and when it is back. */
  say?: ((line: string) => void) | undefined;
}

/** A server that the metrics go to. */
export class Destination {
  readonly #url: string;
  readonly #options: DestinationOptions;
  #busy = false;
  #awaySince: number | undefined;

  constructor(url: string, options: DestinationOptions = {}) {
    this.#url = url;
    this.#options = options;
  }

  /**
   * Publishes, unless the request before is still on its way: metrics are worth nothing late, so
   * a slow server misses some and never finds a queue. Never rejects.
   */
  async publish(data: Metrics): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const { signal, token, timeoutMs = 5_000, say } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await ask(new URL("events", this.#url.replace(/\/*$/, "/")), {
        method: "POST",
        headers: { "content-type": "application/json", ...bearerHeaders(token) },
        body: JSON.stringify({ type: "host.metrics", data }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      await response.arrayBuffer();
      if (this.#awaySince !== undefined)
        say?.(`${this.#url} is back after ${Math.round((Date.now() - this.#awaySince) / 1000)} s`);
      this.#awaySince = undefined;
    } catch (error) {
      if (signal?.aborted || this.#awaySince !== undefined) return;
      this.#awaySince = Date.now();
      say?.(`${this.#url} is away: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#busy = false;
    }
  }
}
