import type { Note } from "@tidings/shared/client";
import { expect, test } from "bun:test";
import { subscribe } from "../src/client.ts";

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
