/** The heart of one connection: it beats only while nothing else is sent. */
export interface Heart {
  /** Something was sent: no need to beat for a while. */
  refresh(): void;
  stop(): void;
}

/**
 * Hearts that beat after `periodMs` of silence at the most. They share one timer, because a timer
 * that is reset by every write would cost thousands of subscribers more than the writes' own work.
 */
export const createHeartbeat = (periodMs: number) => {
  const hearts = new Set<{ quiet: boolean; beat: () => void }>();
  let timer: Timer | undefined;

  // Who was quiet from one look to the next has been so for at least half a period.
  const look = () => {
    for (const heart of hearts) {
      heart.quiet = !heart.quiet;
      if (!heart.quiet) heart.beat();
    }
  };

  return (beat: () => void): Heart => {
    const heart = { quiet: false, beat };
    hearts.add(heart);
    timer ??= setInterval(look, periodMs / 2);
    return {
      refresh: () => void (heart.quiet = false),
      stop() {
        hearts.delete(heart);
        if (hearts.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      },
    };
  };
};
