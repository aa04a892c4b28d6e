/** One whole HTTP answer. The head is as it came, one character a byte. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A header's value; `undefined` when it is not there. Headers of ours have no folded lines. */
export const header = (head: string, name: string): string | undefined => {
  const found = new RegExp(`\r\n${name}: *([^\r]*)`, "i").exec(head);
  return found?.[1];
};

const LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;

/**
 * Cuts the bytes of a connection into whole answers. It reads no more than a benchmark's servers
 * say: a length, or no body.
 */
export class Answers {
  #rest = "";

  /** Takes bytes; gives the next whole answer, if there is one. */
  take(chunk: Buffer): Answer | undefined {
    this.#rest =
      this.#rest === "" ? chunk.toString("latin1") : this.#rest + chunk.toString("latin1");
    return this.next();
  }

  next(): Answer | undefined {
    const text = this.#rest;
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const head = text.slice(0, end + 2);
    const status = Number(head.slice(9, 12));
    if (CHUNKED.test(head)) throw new Error("The generator reads answers with a content-length.");
    const length = status === 304 || status === 204 ? 0 : Number(LENGTH.exec(head)?.[1] ?? 0);
    const whole = end + 4 + length;
    if (text.length < whole) return undefined;
    this.#rest = text.length === whole ? "" : text.slice(whole);
    return { status, head, body: text.slice(end + 4, whole) };
  }
}
