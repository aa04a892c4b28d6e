import { Connection, expectStatus, get } from "../connection.ts";
import { remembering } from "../remembering.ts";
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
const BRACE = 0x7b;
const FOUR = 0x34;
const TWO = 0x32;

/** A client's frame, masked with zeros: short ones are all that is ever said. */
const frame = (opcode: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);

/** What is to know of bytes that begin with a frame. */
interface Frames {
  readonly bytes: Buffer;
  /** Where the last frame that is whole ends. */
  readonly end: number;
  readonly numbers: readonly number[];
  /** The last text: from where, and up to where. */
  readonly text: readonly [from: number, to: number] | undefined;
  /** What is no event, and may want an answer. */
  readonly others: readonly { readonly opcode: number; readonly payload: Buffer }[];
}

// Frames are walked over; only their stamps are looked for.
const read = remembering((bytes): Frames => {
  const others: Frames["others"][number][] = [];
  let text: Frames["text"];
  let end = 0;
  while (end + 2 <= bytes.length) {
    // Opcode, length, and a longer length where the first one says so [section 5.2].
    const short = (bytes[end + 1] ?? 0) & 0x7f;
    const from = end + (short < 126 ? 2 : short === 126 ? 4 : 10);
    if (from > bytes.length) break;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(end + 2)
          : Number(bytes.readBigUInt64BE(end + 2));
    if (from + length > bytes.length) break;
    const opcode = (bytes[end] ?? 0) & 0x0f;
    end = from + length;
    if (opcode === TEXT) text = [from, end];
    // An event is JSON; Socket.IO's has 42 before it.
    const isEvent = bytes[from] === BRACE || (bytes[from] === FOUR && bytes[from + 1] === TWO);
    if (opcode !== TEXT || !isEvent) others.push({ opcode, payload: bytes.subarray(from, end) });
  }
  // In all frames at once: there may be hundreds of them.
  return { bytes, end, numbers: scan(bytes, end), text, others };
});

/** A subscriber on a WebSocket. */
export class WebSocketLine extends Connection {
  readonly #path: string;
  readonly #live: Live;
  #isOpen = false;
  #rest: Buffer | undefined;
  // The last frames with a text, which has a cursor in it. It is read only when it is needed.
  #recent: Frames | undefined;

  constructor(path: string, live: Live, ...subscriber: ConstructorParameters<typeof Connection>) {
    super(...subscriber);
    this.#path = path;
    this.#live = live;
  }

  protected greet(): void {
    const cursor = this.#recent && cursorIn(this.#recent);
    this.#isOpen = false;
    this.#rest = undefined;
    const path = cursor === undefined ? this.#path : `${this.#path}?after=${cursor}`;
    this.ask(get(this.crowd.address, path, ...HANDSHAKE));
  }

  protected receive(chunk: Buffer): void {
    const all = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    const bytes = this.#isOpen ? all : this.#open(all);
    this.#rest = bytes;
    if (!this.#isOpen) return;
    const frames = read(bytes);
    this.#rest = frames.end < bytes.length ? bytes.subarray(frames.end) : undefined;
    this.hits(frames.numbers);
    for (const { opcode, payload } of frames.others) this.#answer(opcode, payload);
    if (!frames.text) return;
    this.#recent = frames;
    if (this.#live === "first frame") this.becomeLive();
  }

  // Engine.IO's open is answered with Socket.IO's connect, and a ping with a pong.
  #answer(opcode: number, payload: Buffer): void {
    if (opcode === PING) this.say(frame(PONG, payload));
    if (opcode !== TEXT || this.#live !== "socket.io") return;
    const said = payload.toString("latin1", 0, 2);
    if (said.startsWith("0")) this.say(frame(TEXT, Buffer.from("40")));
    else if (said === "40") this.becomeLive();
    else if (said === "2") this.say(frame(TEXT, Buffer.from("3")));
  }

  /** What follows the head, when all of that is there. */
  #open(bytes: Buffer): Buffer {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return bytes;
    expectStatus(bytes.toString("latin1", 0, end), 101);
    this.#isOpen = true;
    if (this.#live === "handshake") this.becomeLive();
    return bytes.subarray(end + 4);
  }
}

// An event has an id, a heartbeat a cursor.
const cursorIn = ({ bytes, text }: Frames): string | undefined =>
  /"(?:id|cursor)":"([^"]+)"/.exec(bytes.toString("latin1", ...(text ?? [])))?.[1];
