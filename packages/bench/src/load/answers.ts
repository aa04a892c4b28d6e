/** One whole HTTP answer. The head is as it came, one character a byte. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
  /** Of head and body, in bytes. */
  readonly length: number;
}

/** A header's value; `undefined` when it is not there. Headers of ours have no folded lines. */
export const header = (head: string, name: string): string | undefined => {
  const found = new RegExp(`\r\n${name}: *([^\r]*)`, "i").exec(head);
  return found?.[1];
};

const LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;

/** The answer with which these bytes begin, if all of it is there. */
export const answerIn = (bytes: Buffer): Answer | undefined => {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end + 2);
  const status = Number(head.slice(9, 12));
  if (CHUNKED.test(head)) throw new Error("The generator reads answers with a content-length.");
  const size = status === 304 || status === 204 ? 0 : Number(LENGTH.exec(head)?.[1] ?? 0);
  const length = end + 4 + size;
  if (bytes.length < length) return undefined;
  return { status, head, body: bytes.subarray(end + 4, length), length };
};

/**
 * Cuts the bytes of a connection into whole answers, as `read` finds them. It reads no more than a
 * benchmark's servers say: a length, or no body.
 */
export class Answers<Read extends Pick<Answer, "length">> {
  readonly #read: (bytes: Buffer) => Read | undefined;
  #rest: Buffer | undefined;

  constructor(read: (bytes: Buffer) => Read | undefined) {
    this.#read = read;
  }

  /** Takes bytes; gives the next whole answer, if there is one. */
  take(chunk: Buffer): Read | undefined {
    this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    return this.next();
  }

  next(): Read | undefined {
    const answer = this.#rest && this.#read(this.#rest);
    if (!answer) return undefined;
    const rest = this.#rest?.subarray(answer.length);
    this.#rest = rest?.length ? rest : undefined;
    return answer;
  }
}
