import { createRandom } from "@tidings/shared/random";
import type { Contender } from "./contender.ts";
import type { Scenario } from "./scenario.ts";
import type { Settings } from "./settings.ts";

/** One contender in one round of one scenario. */
export interface Planned {
  readonly scenario: Scenario;
  readonly contender: Contender;
  readonly replica?: "A" | "B";
  /** From 1. */
  readonly round: number;
  readonly order: number;
  /** How long it takes, about, in milliseconds. */
  readonly estimateMs: number;
}

export interface Selection {
  readonly scenarios: readonly Scenario[];
  readonly contenders: readonly Contender[];
}

/**
 * What runs when. Each round goes over all scenarios, and in each of them over the contenders, in an
 * order of its own, so that whatever changes on the machine meets all of them. In fan-out each technique
 * runs twice in each round, and one contender everywhere with --full: how far it is from itself is the
 * noise. Its rounds beyond those of the others come last.
 */
export const planOf = ({ scenarios, contenders }: Selection, settings: Settings): Planned[] => {
  const random = createRandom(settings.seed);
  const techniques = contenders.filter(({ kind }) => kind === "tidings");
  // The one with the least to wait for shows the noise of the machine best.
  const one = contenders
    .filter(({ name }) => name === "sse")
    .concat(contenders)
    .slice(0, 1);
  const twiceIn = ({ isFirst }: Scenario): readonly Contender[] =>
    isFirst && techniques.length > 0 ? techniques : isFirst || settings.mode === "full" ? one : [];
  const entriesOf = (scenario: Scenario): readonly Entry[] =>
    contenders.flatMap((contender): Entry[] =>
      twiceIn(scenario).includes(contender)
        ? [
            { contender, replica: "A" },
            { contender, replica: "B" },
          ]
        : [{ contender }],
    );
  const roundOf = (scenario: Scenario, round: number) =>
    shuffled(entriesOf(scenario), random).map((entry, place) => ({
      ...entry,
      scenario,
      round,
      order: place + 1,
      estimateMs: scenario.estimateMs(entry.contender, settings),
    }));
  const { rounds, moreOfFirst, isShort } = settings;
  const played = scenarios.filter(({ isLong }) => !isLong || !isShort);
  return Array.from({ length: rounds + moreOfFirst }, (_, i) => i + 1).flatMap((round) =>
    played
      .filter(({ isFirst }) => isFirst || round <= rounds)
      .flatMap((scenario) => roundOf(scenario, round)),
  );
};

type Entry = Pick<Planned, "contender" | "replica">;

const shuffled = <Item>(
  items: readonly Item[],
  random: ReturnType<typeof createRandom>,
): readonly Item[] => {
  const left = [...items];
  return items.map(() => left.splice(random.int(0, left.length - 1), 1)[0] as Item);
};
