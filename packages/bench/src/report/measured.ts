// What the README of a technique shows of a result.
import { figures } from "../metrics.ts";
import type { Result } from "../result.ts";
import { CONFIDENCE, ENOUGH_ROUNDS } from "../stats/bootstrap.ts";
import { laneOf } from "../stats/cells.ts";
import { summaryOf, type Entry } from "./summary.ts";
import { bullets, notesOf, table, withInterval } from "./text.ts";
import { conditionsOf, workText } from "./words.ts";

/** The figure, its interval where there is one, or the word that stands for it; without a mark. */
const plain = (entry: Entry): string => withInterval({ ...entry, place: undefined });

/** One lane's figures, beside those of the same lane by hand, in Markdown. */
export const renderMeasured = (result: Result, lane: string): string => {
  const summary = summaryOf(result);
  const { columns, rows } = summary;
  const own = rows.filter(
    ({ contender }) => contender.kind !== "peer" && laneOf(contender.name) === lane,
  );
  if (own.length === 0) return `The last result has nothing of ${lane}.`;
  const head = [
    "",
    ...own.map(({ contender }) =>
      contender.kind === "tidings" ? "here" : "by hand, on `Bun.serve`",
    ),
  ];
  const body = columns.map(({ scenario, figure }, place) => [
    `${scenario}: ${figures[figure].title}`,
    ...own.map(({ entries }) => {
      const entry = entries[place];
      return entry ? plain(entry) : "–";
    }),
  ]);
  const notes = notesOf(summary, ({ contender }) => own.some((row) => row.contender === contender));
  const { rounds, steps } = summary;
  const legend = [
    `Medians of the rounds (${rounds}), in brackets the ${CONFIDENCE * 100} % intervals of`,
    `${ENOUGH_ROUNDS} rounds and more.`,
    steps,
    workText(result),
    `Measured: ${conditionsOf(result).join(" · ")}.`,
  ];
  return [table(head, body), bullets(notes), legend.filter(Boolean).join(" ")]
    .filter(Boolean)
    .join("\n\n");
};
