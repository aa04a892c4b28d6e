export type { Clause, Context } from "./clause.ts";
export { clauses } from "./clauses.ts";
export { Follower, offsetOf } from "./follower.ts";
export { launchedLane, strangersLane } from "./launched.ts";
export { publish } from "./lane.ts";
export type { Lane, Server, StartOptions, Subscribe } from "./lane.ts";
export { verify, type Result } from "./run.ts";
export { isWhole, type Fault, type Outcome, type Scene } from "./fault.ts";
export { faults } from "./faults.ts";
export {
  broken,
  cell,
  laneName,
  lanesOf,
  LEGEND,
  matrixOf,
  matrixText,
  notesOf,
  type Matrix,
} from "./matrix.ts";
export { playFault, sameList, type Played, type PlayOptions } from "./play.ts";
