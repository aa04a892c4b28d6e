import type { Technique } from "@tidings/shared";
import { describe, test } from "bun:test";
import { clauses } from "./clauses.ts";
import { launchedLane } from "./launched.ts";
import { reasonToSkip, runClause } from "./run.ts";

/** The whole kit as tests of `bun test`, against the technique's server as its launcher starts it. */
export const conformance = async (technique: Technique): Promise<void> => {
  const lane = await launchedLane(technique);
  describe(`conformance: ${technique.title}`, () => {
    for (const clause of clauses) {
      const name = `${clause.ids.join(", ")}: ${clause.title}`;
      const reason = reasonToSkip(clause, lane);
      if (reason === undefined) test(name, () => runClause(clause, lane), 90_000);
      // A declared lack is no test: it is said, and counted nowhere.
      else console.log(`does not apply: ${name} (${technique.name}: ${reason})`);
    }
  });
};
