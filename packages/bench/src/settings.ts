/** How thorough a bench is. */
export type Mode = "quick" | "default" | "full";

/** What a bench is told. What is undefined is left to the scenario. */
export interface Settings {
  readonly mode: Mode;
  /** How often each contender runs in each scenario, */
  readonly rounds: number;
  /** and how often more, in the end, in the one whose figures are compared most. */
  readonly moreOfFirst: number;
  /** Whether it ends within three minutes: without scenarios that take long, and with fewer rounds. */
  readonly isShort: boolean;
  /** Of the order of the runs, the moments of publication, and the jitter of all pauses. */
  readonly seed: number;
  readonly subscribers?: number | undefined;
  /** Events per second. */
  readonly rate?: number | undefined;
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const modes: Readonly<
  Record<Mode, Pick<Settings, "rounds" | "moreOfFirst" | "warmUpMs" | "measureMs">>
> = {
  quick: { rounds: 2, moreOfFirst: 0, warmUpMs: 100, measureMs: 400 },
  default: { rounds: 5, moreOfFirst: 8, warmUpMs: 100, measureMs: 250 },
  full: { rounds: 5, moreOfFirst: 0, warmUpMs: 1_000, measureMs: 3_000 },
};

/** The settings of a mode. */
export const settingsOf = (mode: Mode): Settings => ({
  mode,
  seed: 1,
  isShort: false,
  payloadBytes: 128,
  ...modes[mode],
});
