import { expect, test } from "bun:test";
import sse from "@tidings/sse";
import type { Clause } from "../src/clause.ts";
import { launchedLane } from "../src/launched.ts";
import { runClause } from "../src/run.ts";

test("a clause that waits for what never passes the tap fails at its deadline", async () => {
  const clause: Clause = {
    ids: [],
    title: "waits for what never comes",
    async run({ start, tap }) {
      const between = await tap((await start()).url);
      await between.tap.seen("down", "what never comes");
    },
  };
  const verdict = runClause(clause, await launchedLane(sse), { deadlineMs: 100 });
  await expect(verdict).rejects.toThrow("The tap was closed before it happened.");
}, 30_000);
