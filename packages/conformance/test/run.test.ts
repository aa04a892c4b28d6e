import { expect, test } from "bun:test";
import sse from "@tidings/sse";
import type { Clause } from "../src/clause.ts";
import { strangersLane } from "../src/launched.ts";
import { runClause } from "../src/run.ts";

test("a clause that waits for what never passes the tap fails at its deadline", async () => {
  // Nobody connects, so it does not matter that nobody is there.
  const lane = await strangersLane(sse, "http://127.0.0.1:1");
  const clause: Clause = {
    ids: ["FEED-1"],
    title: "waits for what never comes",
    async run({ tap }) {
      const between = await tap("http://127.0.0.1:1");
      await between.tap.seen("down", "what never comes");
    },
  };
  const verdict = runClause(clause, lane, { deadlineMs: 500 });
  await expect(verdict).rejects.toThrow("The tap was closed before it happened.");
}, 60_000);
