// How far a long command is: a bar in a terminal, else a line now and then. It goes to stderr, so
// that stdout has the outcome only.
import { SingleBar } from "cli-progress";

export interface Step {
  /** What is being done. */
  readonly what: string;
  /** From 0 to 1. */
  readonly done: number;
  readonly leftMs: number;
}

// Without a terminal nobody watches each step.
const LINE_EVERY_MS = 5_000;

/** Says something beside the outcome. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** `2 min 40 s`. */
export const duration = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
};

export const showProgress = () => {
  if (!process.stderr.isTTY) {
    let shownAt = -Infinity;
    return {
      show({ what, done, leftMs }: Step) {
        if (performance.now() - shownAt < LINE_EVERY_MS) return;
        shownAt = performance.now();
        const percent = `${Math.round(done * 100)} %`.padStart(5);
        say(`${percent}  ${what}, ${duration(leftMs)} left`);
      },
      say,
      end() {},
    };
  }
  const format = " {bar} {percentage} %  {left} left  {what}";
  const bar = new SingleBar({ format, barsize: 24, hideCursor: true, stream: process.stderr });
  bar.start(1, 0, { what: "", left: "" });
  return {
    show({ what, done, leftMs }: Step) {
      bar.update(done, { what, left: duration(leftMs) });
    },
    say(text: string) {
      bar.stop();
      say(text);
      bar.start(1, 0, { what: "", left: "" });
    },
    end: () => bar.stop(),
  };
};
