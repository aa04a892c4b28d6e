import { Connection, expectStatus, get } from "../connection.ts";
import { scan } from "../stamp.ts";

/** A subscriber of one answer that never ends: Server-Sent Events. */
export class Stream extends Connection {
  #path: string;
  #isOpen = false;
  // What the next bytes complete: the head, then a stamp that was cut in two.
  #rest: Buffer | undefined;
  // The last bytes that came: in them lies the cursor, which is looked for only when it is needed.
  #recent: Buffer = Buffer.alloc(0);
  #retryMs: number | undefined;

  constructor(path: string, ...subscriber: ConstructorParameters<typeof Connection>) {
    super(...subscriber);
    this.#path = path;
  }

  protected greet(): void {
    const cursor = cursorIn(this.#recent.toString("latin1"));
    const resume = cursor === undefined ? [] : [`Last-Event-ID: ${cursor}`];
    this.#isOpen = false;
    this.#rest = undefined;
    this.ask(get(this.crowd.address, this.#path, "Accept: text/event-stream", ...resume));
  }

  protected receive(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#isOpen && !this.#open(bytes)) return;
    const done = scan(bytes, this.hit);
    this.#rest = done < bytes.length ? bytes.subarray(done) : undefined;
    this.#recent = bytes;
  }

  // The head, and with it or after it whatever the server says first.
  #open(bytes: Buffer): boolean {
    const text = bytes.toString("latin1");
    this.#rest = bytes;
    if (!text.includes("\r\n\r\n")) return false;
    expectStatus(text, 200);
    const [, retry] = /\nretry: (\d+)\n/.exec(text) ?? [];
    if (retry !== undefined) this.#retryMs = Number(retry);
    this.#isOpen = true;
    this.becomeLive();
    return true;
  }

  /** The server may say how long to wait, as EventSource obeys. */
  protected override backOffMs(): number {
    return this.#retryMs ?? super.backOffMs();
  }
}

// The id of the last whole message.
const cursorIn = (text: string): string | undefined => {
  const whole = text.slice(0, text.lastIndexOf("\n\n"));
  return /^[^]*\nid: ([^\n]*)\n/.exec(whole)?.[1];
};
