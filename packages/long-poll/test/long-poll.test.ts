import type { FeedEvent } from "@tidings/shared";
import type { Note } from "@tidings/shared/client";
import { Feed } from "@tidings/shared/server";
import { describe, expect, test } from "bun:test";
import { subscribe } from "../src/client.ts";
import { server } from "../src/server.ts";

describe("the server", () => {
  test.each([-1, 240_001, NaN])("holdMs: %d is refused, and the maximum named", (holdMs) => {
    expect(() => server({ feed: new Feed(), holdMs })).toThrow(
      new RangeError("holdMs: must be a number from 0 to 240000."),
    );
  });

  test.each([
    ["wait=5", "wait=5"],
    ["WAIT = 5", "wait=5"],
    ['wait="5"', "wait=5"],
    ["wait=5; foo=bar", "wait=5"],
    ["respond-async, wait=5", "wait=5"],
    ["wait=1, wait=2", "wait=1"],
    ['foo="a, \\", b", wait=5', "wait=5"],
    ["wait=25", "wait=25"],
    // More than the server's own time is not what the client gets.
    ["wait=26", null],
    ["wait=x, wait=5", null],
    ["wait=-1", null],
    ["wait=1.5", null],
    ['wait="5', null],
    ["wait", null],
    ["wait=x; foo=5", null],
    ["waiting=5", null],
    // Neither a parameter of another preference nor a part of a string.
    ["foo; wait=5", null],
    ['foo="a, wait=5"', null],
    ['foo="\\", wait=5"', null],
  ])("LONG-POLL-3: Prefer: %s applies %p", async (prefer, applied) => {
    const { handle } = server({ feed: new Feed() });
    const answer = await handle(new Request("http://localhost/events", { headers: { prefer } }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("preference-applied")).toBe(applied);
    expect(answer.headers.get("vary")).toContain("Prefer");
  });
});

describe("the client", () => {
  /** Follows a server that answers at once, from a script, until the client pauses. */
  const follow = async (...answers: { events: FeedEvent[]; cursor: string }[]) => {
    const leaving = new AbortController();
    const notes: Note["kind"][] = [];
    let asked = 0;
    using made = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        // One that never pauses shall not keep the test from its end.
        if (++asked === 20) leaving.abort();
        return Response.json(answers.shift() ?? { events: [], cursor: "1-9" });
      },
    });
    const onNote = ({ kind }: Note) => {
      notes.push(kind);
      if (kind === "retry") leaving.abort();
    };
    const got: string[] = [];
    const { signal } = leaving;
    for await (const { id } of subscribe(made.url, { signal, onNote, minRetryMs: 30_000 }))
      got.push(id);
    return { asked, got, notes };
  };

  test("LONG-POLL-9: pauses when a server has nothing new and does not wait for it", async () => {
    const { asked, notes } = await follow();
    expect(asked).toBe(2);
    expect(notes.at(-1)).toBe("retry");
  });

  test("POLL-3: asks again at once while the cursor moves", async () => {
    const event = { id: "1-3", type: "a", time: "2025-11-20T21:48:00.000Z", data: 1 };
    const { asked, got } = await follow(
      { events: [], cursor: "1-1" },
      { events: [], cursor: "1-2" },
      { events: [event], cursor: "1-3" },
      { events: [], cursor: "1-9" },
    );
    expect(got).toEqual(["1-3"]);
    expect(asked).toBe(5);
  });
});
