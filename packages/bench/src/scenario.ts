import type { Contender } from "./contender.ts";
import type { Failed, Outcome, Params, Scenario as Named } from "./result.ts";
import type { Settings } from "./settings.ts";
import type { Ground } from "./trial.ts";

/** One figure, or the reason why there is none, for these parameters. */
export interface Cell {
  /** What differs from the scenario's. */
  readonly params: Params;
  readonly outcome: Outcome;
}

/** What has gone wrong, where no delivery was at fault. */
export const failure = (reason: string): Failed => ({
  kind: "failed",
  reason,
  lost: 0,
  doubled: 0,
  reordered: 0,
});

/** One kind of work, the same for every contender. */
export interface Scenario extends Omit<Named, "params"> {
  /**
   * Its figures are compared most: it has more rounds, and each technique runs twice in each, which
   * shows the noise. Default false.
   */
  readonly isFirst?: boolean;
  /** Three minutes have no room for it, so it has to be asked for. Default false. */
  readonly isLong?: boolean;
  /** Options of the command that change nothing in it. */
  readonly ignores?: readonly ("rate" | "payload")[];
  params(settings: Settings): Params;
  /** What differs from them in each cell that a run has. */
  cells(contender: Contender, settings: Settings): readonly Params[];
  /** How long one contender takes, about, in milliseconds. */
  estimateMs(contender: Contender, settings: Settings): number;
  /** `earlier` is what came of the same in the rounds before. */
  run(
    ground: Ground,
    contender: Contender,
    settings: Settings,
    earlier?: readonly Outcome[],
  ): Promise<readonly Cell[]>;
}
