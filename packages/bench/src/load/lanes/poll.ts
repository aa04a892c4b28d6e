import { Answers, header, type Answer } from "../answers.ts";
import { Connection, get } from "../connection.ts";
import { scanText } from "../stamp.ts";
import { POLL_JITTER, type Wire } from "../wire.ts";

type PollWire = Extract<Wire, { kind: "poll" }>;

const CURSOR = /"cursor":"([^"]+)"\}$/;

/** A subscriber that asks again and again: at once where the server holds it, else after a pause. */
export class Poll extends Connection {
  readonly #wire: PollWire;
  #answers = new Answers();
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
    this.#answers = new Answers();
    this.#poll();
    // Who has no place yet is told it at once, except by nchan, which keeps the first question.
    if (this.#wire.held && this.#wire.cursor === "headers") this.becomeLive();
  }

  readonly #poll = (): void => this.ask(get(this.crowd.address, this.#path, ...this.#headers));

  protected receive(chunk: Buffer): void {
    const answer = this.#answers.take(chunk);
    if (!answer) return;
    if (answer.status >= 400) throw new Error(`A poll was answered with ${answer.status}.`);
    scanText(answer.body, this.hit);
    this.#advance(answer);
    this.becomeLive();
    if (this.#wire.held) return this.#poll();
    // While a page leaves something behind, the client need not wait. nchan's has one event.
    const single = this.#wire.cursor === "headers" && answer.status === 200;
    const more = single || header(answer.head, "x-poll-interval") === "0";
    if (more) this.#poll();
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

  #advance({ status, head, body }: Answer): void {
    if (this.#wire.cursor === "query") {
      if (status === 304) return;
      const cursor = CURSOR.exec(body)?.[1];
      if (cursor === undefined) throw new Error("A poll's answer has no cursor.");
      const etag = this.#wire.held ? undefined : header(head, "etag");
      this.#path = `${this.#wire.path}?after=${cursor}`;
      this.#headers = etag === undefined ? [] : [`If-None-Match: ${etag}`];
    } else {
      const since = header(head, "last-modified");
      const etag = header(head, "etag");
      if (since === undefined || etag === undefined) return;
      this.#headers = [`If-Modified-Since: ${since}`, `If-None-Match: ${etag}`];
    }
  }
}
