import type { Contender } from "./contender.ts";
import type { Outcome, Params, Scenario as Named } from "./result.ts";
import type { Settings } from "./settings.ts";
import type { Ground } from "./trial.ts";

/** One figure, or the reason why there is none, for these parameters. */
export interface Cell {
  /** What differs from the scenario's. */
  readonly params: Params;
  readonly outcome: Outcome;
}

/** One kind of work, the same for every contender. */
export interface Scenario extends Omit<Named, "params"> {
  /** Whether its figures need several rounds, even when time is short. */
  readonly inRounds: boolean;
  /** Whether one contender takes part twice, so that the noise is known, even when time is short. */
  readonly twice: boolean;
  /** Options of the command that change nothing in it. */
  readonly ignores?: readonly ("rate" | "payload")[];
  params(settings: Settings): Params;
  /** What differs from them in each cell that a run has. */
  cells(contender: Contender, settings: Settings): readonly Params[];
  /** How long one contender takes, about, in milliseconds. */
  estimateMs(contender: Contender, settings: Settings): number;
  run(ground: Ground, contender: Contender, settings: Settings): Promise<readonly Cell[]>;
}
