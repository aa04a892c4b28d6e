/** The heart of one connection: it beats only while nothing else is sent. */
export class Heart {
  readonly #hearts: Set<Heart>;
  readonly #beat: () => void;
  #quiet = false;

  /** Use `createHeartbeat`. */
  constructor(hearts: Set<Heart>, beat: () => void) {
    this.#hearts = hearts;
    this.#beat = beat;
    hearts.add(this);
  }

  /** Something was sent: no need to beat for a while. */
  refresh(): void {
    this.#quiet = false;
  }

  /** Who was quiet from one look to the next has been so for at least half a period. */
  look(): void {
    this.#quiet = !this.#quiet;
    if (!this.#quiet) this.#beat();
  }

  stop(): void {
    this.#hearts.delete(this);
  }
}

/**
 * Hearts that beat after `periodMs` of silence at the most. They share one timer, because a timer
 * that is reset by every write would cost thousands of subscribers more than the writes' own work.
 */
export const createHeartbeat = (periodMs: number) => {
  const hearts = new Set<Heart>();
  let timer: Timer | undefined;
  const look = () => {
    for (const heart of hearts) heart.look();
    if (hearts.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return (beat: () => void): Heart => {
    timer ??= setInterval(look, periodMs / 2);
    return new Heart(hearts, beat);
  };
};
