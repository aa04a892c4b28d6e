// The kit is alive: servers that are broken on purpose are caught, each by the right clause.
import longPoll from "@tidings/long-poll";
import { subscribe as followLongPoll } from "@tidings/long-poll/client";
import sse from "@tidings/sse";
import { subscribe as followStream } from "@tidings/sse/client";
import { expect, test } from "bun:test";
import { verify, type Lane } from "../src/index.ts";
import { server as doubling } from "./broken/doubling-sse.ts";
import { server as forgetful } from "./broken/forgetful-long-poll.ts";
import { server as leaking } from "./broken/leaking-sse.ts";
import { inProcess } from "./in-process.ts";

const lanes: Record<string, Lane> = {
  "a long poll that forgets events between polls": {
    technique: longPoll,
    subscribe: followLongPoll,
    start: inProcess(forgetful),
    ours: true,
  },
  "an event stream that doubles at the hand-over": {
    technique: sse,
    subscribe: followStream,
    start: inProcess(doubling),
    ours: true,
  },
  "an event stream that leaks subscribers": {
    technique: sse,
    subscribe: followStream,
    start: inProcess(leaking),
    ours: true,
  },
};

// Which of the clauses on delivering and leaving each one breaks. The others it keeps.
const looked = ["FEED-1", "CURSOR-4", "FEED-3", "FEED-5", "STATUS-2"];
const caught: Record<keyof typeof lanes, string[]> = {
  "a long poll that forgets events between polls": ["FEED-1", "CURSOR-4", "FEED-5", "FEED-3"],
  "an event stream that doubles at the hand-over": ["FEED-3"],
  "an event stream that leaks subscribers": ["STATUS-2"],
};

for (const [name, lane] of Object.entries(lanes)) {
  test(`${name} is caught by the right clause`, async () => {
    const failed: string[] = [];
    for (const only of looked) {
      // What it breaks may be waited for in vain. What it keeps takes its time.
      const deadlineMs = caught[name]?.includes(only) ? 2_000 : 30_000;
      for await (const { clause, outcome } of verify(lane, { only, deadlineMs }))
        if (outcome === "failed" && clause.ids[0] === only) failed.push(only);
    }
    expect(failed.sort()).toEqual([...(caught[name] ?? [])].sort());
  }, 60_000);
}
