import type { Note } from "@tidings/shared/client";
import { expect, test } from "bun:test";
import { subscribe } from "../src/client.ts";

const event = (offset: number) => ({
  id: `1-${offset}`,
  type: "a",
  time: "2025-11-20T21:48:00.000Z",
  data: offset,
});

/** A server that says the same again and again. */
const repeating = (events: unknown[], cursor: string) =>
  Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ events, cursor }, { headers: { "x-poll-interval": "0" } }),
  });

test("CLIENT-2: an answer that is no page is a failure, not an open subscription", async () => {
  using made = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({}) });
  const leaving = new AbortController();
  const notes: Note["kind"][] = [];
  const onNote = ({ kind }: Note) => {
    notes.push(kind);
    if (kind === "retry") leaving.abort();
  };
  for await (const _ of subscribe(made.url, { signal: leaving.signal, onNote }));
  expect(notes).toEqual(["request", "retry"]);
});

test("CLIENT-1: yields nothing of a page after an abort", async () => {
  using made = repeating([event(1), event(2), event(3)], "1-3");
  const leaving = new AbortController();
  const got: string[] = [];
  for await (const { id } of subscribe(made.url, { signal: leaving.signal })) {
    got.push(id);
    leaving.abort();
  }
  expect(got).toEqual(["1-1"]);
});

test.each(["request", "open", "until"])(
  "an error of the caller's own at %j is the caller's",
  async (at) => {
    const fail = (what: string) => {
      if (what === at) throw new Error("my own");
      if (what === "retry") throw new Error("taken for a failure");
      return false;
    };
    using made = repeating([event(1)], "1-1");
    const events = subscribe(made.url, {
      onNote: ({ kind }) => fail(kind),
      until: () => fail("until"),
    });
    const read = async () => {
      for await (const { id } of events) expect(id).toBe("1-1");
    };
    await expect(read()).rejects.toThrow("my own");
  },
);
