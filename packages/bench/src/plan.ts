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
 * What runs when. The rounds of a scenario go over its contenders, each in an order of its own, so that
 * whatever changes on the machine meets all of them. In fan-out, and everywhere with --full, one
 * contender runs twice in each round: how far it is from itself is the noise.
 */
export const planOf = ({ scenarios, contenders }: Selection, settings: Settings): Planned[] => {
  const random = createRandom(settings.seed);
  const once = contenders.map((contender): Entry => ({ contender }));
  const twice = withReplica(contenders);
  const techniques = once.filter(({ contender }) => contender.kind === "tidings");
  const entriesOf = ({ whenShort }: Scenario): readonly Entry[] => {
    if (whenShort === "everybody" || settings.mode === "full") return twice;
    if (!settings.isShort) return once;
    return whenShort === "techniques" ? techniques : [];
  };
  return scenarios.flatMap((scenario) =>
    Array.from({ length: roundsOf(scenario, settings) }, (_, i) => i + 1).flatMap((round) =>
      shuffled(entriesOf(scenario), random).map((entry, place) => ({
        ...entry,
        scenario,
        round,
        order: place + 1,
        estimateMs: scenario.estimateMs(entry.contender, settings),
      })),
    ),
  );
};

const roundsOf = ({ whenShort }: Scenario, { rounds, roundsOfFirst }: Settings): number =>
  whenShort === "everybody" ? roundsOfFirst : rounds;

type Entry = Pick<Planned, "contender" | "replica">;

// The one with the least to wait for shows the noise of the machine best.
const withReplica = (contenders: readonly Contender[]): readonly Entry[] => {
  const twice = contenders.find(({ name }) => name === "sse") ?? contenders[0];
  return contenders.flatMap((contender): Entry[] =>
    contender === twice
      ? [
          { contender, replica: "A" },
          { contender, replica: "B" },
        ]
      : [{ contender }],
  );
};

const shuffled = <Item>(
  items: readonly Item[],
  random: ReturnType<typeof createRandom>,
): readonly Item[] => {
  const left = [...items];
  return items.map(() => left.splice(random.int(0, left.length - 1), 1)[0] as Item);
};
