import type { Socket, TCPSocketListener } from "bun";
import { now } from "../clock.ts";
import { Crowd } from "../crowd.ts";
import { scan } from "../stamp.ts";
import type { Site } from "../wire.ts";

const AT_A_TIME = 32;
const RECEIPT = "HTTP/1.1 204 No Content\r\n\r\n";
const LENGTH = /\r\ncontent-length: *(\d+)/i;

/** A connection of the provider's: it carries deliveries for any of the endpoints. */
interface Caller {
  rest: Buffer;
}

/** Subscribers that are called: one receiver, with a path for each of them. It gives receipts. */
export class Endpoints extends Crowd {
  readonly #path: string;
  #listener: TCPSocketListener<Caller> | undefined;

  /** `path`: where an endpoint is registered. */
  constructor(site: Site, path: string) {
    super(site);
    this.#path = path;
  }

  async open(begin: number, end: number): Promise<void> {
    const { port } = (this.#listener ??= this.#listen());
    for (let from = begin; from < end; from += AT_A_TIME) {
      const length = Math.min(AT_A_TIME, end - from);
      await Promise.all(Array.from({ length }, (_, i) => this.#register(`${port}/${from + i}`)));
    }
  }

  #listen(): TCPSocketListener<Caller> {
    return Bun.listen<Caller>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.data = { rest: Buffer.alloc(0) };
          socket.setNoDelay(true);
        },
        data: (socket, chunk) => this.#receive(socket, chunk),
      },
    });
  }

  async #register(place: string): Promise<void> {
    const response = await fetch(`${this.site.url}${this.#path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ url: `http://127.0.0.1:${place}`, ordered: true }),
    });
    if (!response.ok)
      throw new Error(`An endpoint was refused with ${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
  }

  #receive(socket: Socket<Caller>, chunk: Buffer): void {
    const at = now();
    this.traffic.bytesOut += chunk.length;
    let bytes = Buffer.concat([socket.data.rest, chunk]);
    for (;;) {
      const body = bytes.indexOf("\r\n\r\n") + 4;
      const head = bytes.toString("latin1", 0, body);
      if (body < 4) break;
      const length = LENGTH.exec(head)?.[1];
      if (length === undefined) return this.fail(new Error("A delivery has no Content-Length."));
      const end = body + Number(length);
      if (bytes.length < end) break;
      // `POST /<subscriber> HTTP/1.1`
      const subscriber = Number(head.slice("POST /".length, head.indexOf(" ", 6)));
      this.tally.hits(subscriber, scan(bytes.subarray(body, end)), at);
      this.traffic.requests++;
      this.traffic.bytesIn += socket.write(RECEIPT);
      bytes = bytes.subarray(end);
    }
    socket.data.rest = bytes;
  }

  async close(): Promise<void> {
    this.closing = true;
    this.#listener?.stop(true);
  }
}
