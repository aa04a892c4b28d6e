/** How thorough a bench is. */
export type Mode = "quick" | "default" | "full";

/** What a bench is told. What is undefined is left to the scenario. */
export interface Settings {
  readonly mode: Mode;
  /** How often each contender runs, in scenarios that have rounds; in the others once. */
  readonly rounds: number;
  /** Whether every scenario has so many rounds; else only those whose figures need them. */
  readonly roundsOfAll: boolean;
  /** Of the order of the runs, the moments of publication, and the jitter of all pauses. */
  readonly seed: number;
  readonly subscribers?: number | undefined;
  /** Events per second. */
  readonly rate?: number | undefined;
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const modes: Readonly<Record<Mode, Pick<Settings, "rounds" | "warmUpMs" | "measureMs">>> = {
  quick: { rounds: 2, warmUpMs: 200, measureMs: 400 },
  default: { rounds: 5, warmUpMs: 250, measureMs: 500 },
  full: { rounds: 5, warmUpMs: 1_000, measureMs: 3_000 },
};

/** The settings of a mode. */
export const settingsOf = (mode: Mode): Settings => ({
  mode,
  seed: 1,
  roundsOfAll: mode === "full",
  payloadBytes: 128,
  ...modes[mode],
});
