import type { Clause, Context } from "./clause.ts";
import { HURRIED } from "./clause.ts";
import { clauses } from "./clauses.ts";
import { Follower } from "./follower.ts";
import { tapBetween, type Lane } from "./lane.ts";

/** What came of a clause. A lack that the manifest declares is not a failure, and not a pass. */
export type Result =
  | { readonly clause: Clause; readonly outcome: "passed"; readonly ms: number }
  | {
      readonly clause: Clause;
      readonly outcome: "failed";
      readonly ms: number;
      readonly error: Error;
    }
  | { readonly clause: Clause; readonly outcome: "skipped"; readonly reason: string };

export interface VerifyOptions {
  /** Only clauses whose id or title contains this text. Default: all. */
  only?: string;
  /** After so many milliseconds a clause that still waits has failed. Default 60,000. */
  deadlineMs?: number;
}

/** Why a clause does not apply to a lane; `undefined` when it does. */
export const reasonToSkip = (clause: Clause, { technique, ours }: Lane): string | undefined => {
  const { capabilities, deviations, pair, name } = technique;
  const deviation = clause.ids.map((id) => deviations[id]).find((reason) => reason !== undefined);
  if (deviation !== undefined) return deviation;
  const capability = clause.needs && capabilities[clause.needs];
  if (capability && capability !== true) return capability.lacks;
  if (pair?.client === name && clause.of !== "server")
    return `Delivery is verified with the other half, ${pair.server}.`;
  if (clause.intrusive && !ours) return "The server is somebody else's: it is not ours to end.";
  return undefined;
};

/** Does `work` in a context of its own; whatever was opened there is closed when it is over. */
export const inContext = async (
  lane: Lane,
  { deadlineMs = 60_000 }: Pick<VerifyOptions, "deadlineMs">,
  work: (context: Context) => Promise<void>,
): Promise<void> => {
  await using opened = new AsyncDisposableStack();
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadlineMs);
  opened.defer(() => clearTimeout(timer));
  await work({
    lane,
    deadline: deadline.signal,
    start: async ({ options, ...rest } = {}) =>
      opened.use(await lane.start({ ...rest, options: { ...HURRIED, ...options } })),
    follow: (url, options) => opened.use(new Follower(lane, url, deadline.signal, options)),
    tap: async (url) => {
      const between = await tapBetween(lane.technique, url);
      opened.use(between.tap);
      deadline.signal.throwIfAborted();
      // What waits for a tap would wait for ever, such as for a text that TLS hides.
      deadline.signal.addEventListener("abort", () => void between.tap.close());
      return between;
    },
  });
};

/** Runs one clause. */
export const runClause = (clause: Clause, lane: Lane, options: VerifyOptions = {}): Promise<void> =>
  inContext(lane, options, (context) => clause.run(context));

/** Runs the clauses against a lane, one after the other, and yields each result. */
export async function* verify(lane: Lane, options: VerifyOptions = {}): AsyncGenerator<Result> {
  const { only = "" } = options;
  for (const clause of clauses) {
    if (![...clause.ids, clause.title].some((text) => text.includes(only))) continue;
    const reason = reasonToSkip(clause, lane);
    if (reason !== undefined) {
      yield { clause, outcome: "skipped", reason };
      continue;
    }
    const start = performance.now();
    const ms = () => Math.round(performance.now() - start);
    try {
      await runClause(clause, lane, options);
      yield { clause, outcome: "passed", ms: ms() };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      yield { clause, outcome: "failed", ms: ms(), error };
    }
  }
}
