import { answerIn, Answers, header, type Answer } from "../answers.ts";
import { Connection, get } from "../connection.ts";
import { remembering } from "../remembering.ts";
import { scan } from "../stamp.ts";
import { POLL_JITTER, type Wire } from "../wire.ts";

type PollWire = Extract<Wire, { kind: "poll" }>;

const CURSOR = '"cursor":"';

/** What an answer says to whoever gets it. */
interface Page extends Pick<Answer, "status" | "length"> {
  readonly numbers: readonly number[];
  /** In the body. */
  readonly cursor: string | undefined;
  readonly etag: string | undefined;
  readonly since: string | undefined;
  /** While a page leaves something behind, the client need not wait. */
  readonly isFull: boolean;
}

const read = remembering((bytes): Page | undefined => {
  const answer = answerIn(bytes);
  if (!answer) return undefined;
  const { status, head, body, length } = answer;
  const last = body.lastIndexOf(CURSOR);
  const tail = last < 0 ? "" : body.toString("latin1", last + CURSOR.length);
  return {
    status,
    length,
    numbers: scan(body),
    cursor: /^([^"]+)"\}$/.exec(tail)?.[1],
    etag: header(head, "etag"),
    since: header(head, "last-modified"),
    isFull: header(head, "x-poll-interval") === "0",
  };
});

/** A subscriber that asks again and again: at once where the server holds it, else after a pause. */
export class Poll extends Connection {
  readonly #wire: PollWire;
  #answers = new Answers(read);
  #path: string;
  #headers: string[] = [];
  #pause: Timer | undefined;

  constructor(wire: PollWire, ...subscriber: ConstructorParameters<typeof Connection>) {
    super(...subscriber);
    this.#wire = wire;
    this.#path = wire.path;
  }

  protected greet(): void {
    clearTimeout(this.#pause);
    this.#answers = new Answers(read);
    this.#poll();
    // Who has no place yet is told it at once, except by nchan, which keeps the first question.
    if (this.#wire.held && this.#wire.cursor === "headers") this.becomeLive();
  }

  readonly #poll = (): void => this.ask(get(this.crowd.address, this.#path, ...this.#headers));

  protected receive(chunk: Buffer): void {
    const page = this.#answers.take(chunk);
    if (!page) return;
    if (page.status >= 400) throw new Error(`A poll was answered with ${page.status}.`);
    this.hits(page.numbers);
    this.#advance(page);
    this.becomeLive();
    if (this.#wire.held) return this.#poll();
    // nchan's pages have one event.
    const single = this.#wire.cursor === "headers" && page.status === 200;
    if (single || page.isFull) this.#poll();
    else this.#pause = setTimeout(this.#poll, this.#pauseMs());
  }

  // The first pauses are anything up to a whole one, so that the crowd is spread at once.
  #first = true;
  readonly #spread = this.dice(1);
  #pauseMs(): number {
    const { pollMs } = this.crowd.site;
    const chance = this.#spread.next();
    const share = this.#first ? chance : 1 + POLL_JITTER * (2 * chance - 1);
    this.#first = false;
    return pollMs * share;
  }

  #advance({ status, cursor, etag, since }: Page): void {
    if (this.#wire.cursor === "query") {
      if (status === 304) return;
      if (cursor === undefined) throw new Error("A poll's answer has no cursor.");
      this.#path = `${this.#wire.path}?after=${cursor}`;
      const isKnown = !this.#wire.held && etag !== undefined;
      this.#headers = isKnown ? [`If-None-Match: ${etag}`] : [];
    } else {
      if (since === undefined || etag === undefined) return;
      this.#headers = [`If-Modified-Since: ${since}`, `If-None-Match: ${etag}`];
    }
  }
}
