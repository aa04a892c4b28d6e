import type { Server } from "bun";

/** What an endpoint was sent. */
export interface Received {
  readonly path: string;
  readonly id: string;
  readonly headers: Headers;
  readonly body: string;
  readonly at: number;
}

type Answer = (received: Received, nth: number) => Response | Promise<Response>;

/** An endpoint that answers as it is told, and whose deliveries can be waited for. */
export class Receiver implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly #server: Server<undefined>;
  readonly #waits = new Set<() => void>();

  constructor(answer: Answer = () => new Response("thanks")) {
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const { pathname: path } = new URL(request.url);
        const id = request.headers.get("webhook-id") ?? "";
        const { headers } = request;
        const received = { path, id, headers, body: await request.text(), at: Date.now() };
        this.received.push(received);
        for (const wake of this.#waits) wake();
        return answer(received, this.received.length);
      },
    });
  }

  get url(): string {
    return this.#server.url.href;
  }

  get ids(): string[] {
    return this.received.map(({ id }) => id);
  }

  /** Resolves when so many requests have come. */
  async reached(count: number): Promise<this> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => this.received.length >= count && resolve();
    this.#waits.add(check);
    check();
    await promise;
    this.#waits.delete(check);
    return this;
  }

  async [Symbol.asyncDispose]() {
    await this.#server.stop(true);
  }
}
