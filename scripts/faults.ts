// `bun run verify --faults`: the script of faults, played to every technique.
import { resolve } from "node:path";
import {
  broken,
  faults,
  isWhole,
  laneName,
  matrixOf,
  matrixText,
  playFault,
  sameList,
  type Lane,
  type Matrix,
  type Outcome,
  type Played,
} from "@tidings/conformance";

const path = resolve(import.meta.dir, "../packages/conformance/results/faults.json");

/** The matrix that was played last and kept. */
export const keptMatrix = (): Promise<Matrix> => Bun.file(path).json();

/**
 * Plays all faults to all lanes and prints the matrix; `write` keeps it. Returns what is wrong,
 * in one line each.
 */
export const playFaults = async (
  lanes: readonly Lane[],
  { seed, write, colour }: { seed: number; write: boolean; colour: boolean },
): Promise<readonly string[]> => {
  const played: Played[] = [];
  for (const lane of lanes)
    for (const fault of faults) {
      console.error(`${laneName(lane.technique)}: ${fault.title} …`);
      played.push(await playFault(fault, lane, { seed }));
    }
  const matrix = matrixOf(played, seed);
  const paint = (text: string, outcome: Outcome | undefined) => {
    const code = outcome?.outcome === "not applicable" ? 2 : outcome && isWhole(outcome) ? 32 : 31;
    return colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  };
  console.log(matrixText(matrix, paint));
  if (write) await Bun.write(path, `${JSON.stringify(matrix, null, 2)}\n`);
  // Whoever was whole had the same list; this holds what they had against each other as well.
  const differ = faults.flatMap(({ title }) => {
    const [first, ...others] = played.filter(({ fault }) => fault.title === title);
    return others
      .filter((other) => first && !sameList(first, other))
      .map((other) => `${laneName(other.technique)}: ${title}: is not the list of the others`);
  });
  return [...broken(matrix), ...differ];
};
