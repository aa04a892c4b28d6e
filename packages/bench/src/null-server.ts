// A server that does nothing but write: each lane's bytes on raw sockets. Against it the load
// generator shows what it can do itself. `bun null-server.ts <lane>`.
import type { Socket } from "bun";

const [lane = "sse"] = process.argv.slice(2);

interface Peer {
  rest: string;
}

const subscribers = new Set<Socket<Peer>>();
const endpoints: Endpoint[] = [];
const log: string[] = [];

const answer = (body: string, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const page = (after: number) =>
  answer(`{"events":[${log.slice(after).join()}],"cursor":"${log.length}"}`);
const frame = (text: string) => {
  const head = text.length < 126 ? [text.length] : [126, text.length >> 8, text.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...head]), Buffer.from(text)]);
};

/** A receiver's address, and the connection on which one delivery follows another. */
class Endpoint {
  readonly #head: string;
  readonly #socket: Promise<Socket>;
  readonly #queue: string[] = [];
  #busy = false;

  constructor(url: URL) {
    this.#head = `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n`;
    const data = () => {
      this.#busy = false;
      this.#pump();
    };
    const { hostname, port } = url;
    this.#socket = Bun.connect({ hostname, port: Number(port), socket: { data } });
  }

  deliver(event: string): void {
    this.#queue.push(event);
    this.#pump();
  }

  async #pump(): Promise<void> {
    const event = this.#busy ? undefined : this.#queue.shift();
    if (event === undefined) return;
    this.#busy = true;
    const socket = await this.#socket;
    socket.write(`${this.#head}Content-Length: ${event.length}\r\n\r\n${event}`);
  }
}

const publish = (body: string) => {
  const event = `{"id":"1763675000123-${log.length + 1}","time":"2026-11-20T21:48:00.000Z",${body.slice(1)}`;
  log.push(event);
  const bytes =
    lane === "ws" ? frame(event) : lane === "sse" ? `data: ${event}\n\n` : page(log.length - 1);
  if (lane !== "short-poll") for (const socket of subscribers) socket.write(bytes);
  // A poll has its answer, and asks again.
  if (lane === "long-poll") subscribers.clear();
  for (const endpoint of endpoints) endpoint.deliver(event);
};

const get = (socket: Socket<Peer>, path: string) => {
  const after = /after=(\d+)/.exec(path)?.[1];
  const isLive = lane === "sse" || lane === "ws";
  if (lane === "sse")
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n");
  if (lane === "ws") socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  if (isLive || (lane === "long-poll" && Number(after) === log.length)) subscribers.add(socket);
  else socket.write(page(after === undefined ? log.length : Number(after)));
};

const receive = (socket: Socket<Peer>, chunk: Buffer) => {
  const text = socket.data.rest + chunk.toString("latin1");
  const head = text.indexOf("\r\n\r\n");
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
  socket.data.rest = head < 0 || text.length < head + 4 + length ? text : "";
  if (socket.data.rest !== "" || head < 0) return;
  const [method, path = ""] = text.split(" ", 2);
  const body = text.slice(head + 4);
  if (method === "GET") return get(socket, path);
  if (path === "/endpoints") endpoints.push(new Endpoint(new URL(JSON.parse(body).url)));
  socket.write(answer("{}", "201 Created"));
  if (path === "/events") publish(body);
};

const listener = Bun.listen<Peer>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open: (socket) => {
      socket.data = { rest: "" };
      socket.setNoDelay(true);
    },
    data: receive,
    close: (socket) => void subscribers.delete(socket),
  },
});
console.log(`ready http://127.0.0.1:${listener.port}`);
