import { Connection, expectStatus, get } from "../connection.ts";
import { remembering } from "../remembering.ts";
import { scan } from "../stamp.ts";

const BLANK = Buffer.from("\n\n");
const CR = 0x0d;
const LF = 0x0a;

/** What is to know of bytes that begin with a message. */
interface Messages {
  readonly bytes: Buffer;
  /** Where the last message that is whole ends. An event is there when its message is. */
  readonly end: number;
  readonly isDone: boolean;
  readonly numbers: readonly number[];
  readonly hasCursor: boolean;
}

const read = remembering((bytes): Messages => {
  const end = endOfMessages(bytes);
  const numbers = scan(bytes, end);
  return {
    bytes,
    end,
    // What ends a chunk of the transfer follows, as a rule, and is no part of a message.
    isDone: end === bytes.length || (bytes[end] === CR && bytes.length <= end + 2),
    numbers,
    hasCursor: numbers.length > 0 || cursorIn(bytes, end) !== undefined,
  };
});

/** A subscriber of one answer that never ends: Server-Sent Events. */
export class Stream extends Connection {
  #path: string;
  #isOpen = false;
  // What the next bytes complete: the head, then a message.
  #rest: Buffer | undefined;
  // The last messages with a cursor in them. It is read only when it is needed.
  #recent: Messages | undefined;

  constructor(path: string, ...subscriber: ConstructorParameters<typeof Connection>) {
    super(...subscriber);
    this.#path = path;
  }

  protected greet(): void {
    const cursor = this.#recent && cursorIn(this.#recent.bytes, this.#recent.end);
    const resume = cursor === undefined ? [] : [`Last-Event-ID: ${cursor}`];
    this.#isOpen = false;
    this.#rest = undefined;
    this.ask(get(this.crowd.address, this.#path, "Accept: text/event-stream", ...resume));
  }

  protected receive(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#isOpen && !this.#open(bytes)) return;
    const messages = read(bytes);
    this.#rest = messages.isDone ? undefined : bytes.subarray(messages.end);
    if (messages.hasCursor) this.#recent = messages;
    this.hits(messages.numbers);
  }

  // The head, and with it or after it whatever the server says first. How long to wait before coming
  // back is the bench's to say, and the same for all.
  #open(bytes: Buffer): boolean {
    const text = bytes.toString("latin1");
    this.#rest = bytes;
    if (!text.includes("\r\n\r\n")) return false;
    expectStatus(text, 200);
    this.#isOpen = true;
    this.becomeLive();
    return true;
  }
}

// Behind the last blank line; 0 when there is none.
const endOfMessages = (bytes: Buffer): number => {
  // As a rule it is the end, or what ends a chunk of the transfer follows: no search is needed.
  const { length } = bytes;
  const end = bytes[length - 2] === CR ? length - 2 : length;
  if (bytes[end - 1] === LF && bytes[end - 2] === LF) return end;
  const blank = bytes.lastIndexOf(BLANK);
  return blank < 0 ? 0 : blank + BLANK.length;
};

// The last id in messages that are whole.
const cursorIn = (bytes: Buffer, end: number): string | undefined =>
  /^(?:[^]*\n)?id: ([^\n]*)\n/.exec(bytes.toString("latin1", 0, end))?.[1];
