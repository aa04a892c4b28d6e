import { Connection, expectStatus, get } from "../connection.ts";
import { scan } from "../stamp.ts";
import type { Wire } from "../wire.ts";

type Live = Extract<Wire, { kind: "ws" }>["live"];

// Any sixteen bytes will do: the answer to them is not checked [RFC 6455, section 4.1].
const KEY = Buffer.from("tidings-benchmark").subarray(0, 16).toString("base64");
const HANDSHAKE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${KEY}`,
];
const TEXT = 1;
const PING = 9;
const PONG = 10;

/** A client's frame, masked with zeros: short ones are all that is ever said. */
const frame = (opcode: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);

/** A subscriber on a WebSocket. Frames are walked over; only their stamps are looked for. */
export class WebSocketLine extends Connection {
  readonly #path: string;
  readonly #live: Live;
  #isOpen = false;
  #rest: Buffer | undefined;
  // The last text, which has a cursor in it. It is read only when it is needed.
  #recent: Buffer = Buffer.alloc(0);

  constructor(path: string, live: Live, ...subscriber: ConstructorParameters<typeof Connection>) {
    super(...subscriber);
    this.#path = path;
    this.#live = live;
  }

  protected greet(): void {
    const cursor = cursorIn(this.#recent.toString("latin1"));
    this.#isOpen = false;
    this.#rest = undefined;
    const path = cursor === undefined ? this.#path : `${this.#path}?after=${cursor}`;
    this.ask(get(this.crowd.address, path, ...HANDSHAKE));
  }

  protected receive(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = this.#isOpen ? 0 : this.#open(bytes);
    let text: readonly [from: number, to: number] | undefined;
    while (at + 2 <= bytes.length) {
      // Opcode, length, and a longer length where the first one says so [section 5.2].
      const short = (bytes[at + 1] ?? 0) & 0x7f;
      const from = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
      if (from > bytes.length) break;
      const length =
        short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(at + 2)
            : Number(bytes.readBigUInt64BE(at + 2));
      if (from + length > bytes.length) break;
      const opcode = (bytes[at] ?? 0) & 0x0f;
      at = from + length;
      if (opcode === PING) this.say(frame(PONG, bytes.subarray(from, at)));
      if (opcode !== TEXT) continue;
      text = [from, at];
      if (this.#live === "socket.io")
        this.#converse(bytes.toString("latin1", from, Math.min(from + 2, at)));
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
    if (!text) return;
    // All frames at once: there may be hundreds of them.
    scan(bytes, this.hit, at);
    this.#recent = bytes.subarray(...text);
    if (this.#live === "first frame") this.becomeLive();
  }

  // Engine.IO's open is answered with Socket.IO's connect, and a ping with a pong.
  #converse(said: string): void {
    if (said.startsWith("0")) this.say(frame(TEXT, Buffer.from("40")));
    else if (said === "40") this.becomeLive();
    else if (said === "2") this.say(frame(TEXT, Buffer.from("3")));
  }

  /** Where the first frame begins. */
  #open(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return 0;
    expectStatus(bytes.toString("latin1", 0, end), 101);
    this.#isOpen = true;
    if (this.#live === "handshake") this.becomeLive();
    return end + 4;
  }
}

// An event has an id, a heartbeat a cursor.
const cursorIn = (text: string): string | undefined => /"(?:id|cursor)":"([^"]+)"/.exec(text)?.[1];
