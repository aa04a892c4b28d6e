import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Inbox } from "../src/inbox.ts";

describe("CONSUMER-7: an id has its effect once", () => {
  test("however many come at once", async () => {
    const inbox = new Inbox();
    let effects = 0;
    const work = Promise.withResolvers<void>();
    const all = Array.from({ length: 50 }, () =>
      inbox.once("a", async () => {
        effects++;
        await work.promise;
      }),
    );
    work.resolve();
    const outcomes = await Promise.all(all);
    expect(effects).toBe(1);
    expect(outcomes.filter(Boolean)).toHaveLength(1);
  });

  test("however often", async () => {
    const inbox = new Inbox();
    const effects: string[] = [];
    for (const id of ["a", "b", "a", "a", "b"]) await inbox.once(id, () => effects.push(id));
    expect(effects).toEqual(["a", "b"]);
  });

  test("and when its processing fails, those who wait are told, and the next one is processed", async () => {
    const inbox = new Inbox();
    const fails = Promise.withResolvers<void>();
    const one = inbox.once("a", () => fails.promise);
    const two = inbox.once("a", () => {
      throw new Error("never runs");
    });
    const outcomes = Promise.allSettled([one, two]);
    fails.reject(new Error("disk full"));
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: "rejected", reason: { message: "disk full" } });
    expect(await inbox.once("a", () => {})).toBe(true);
    expect(await inbox.once("a", () => {})).toBe(false);
  });

  test("after a restart, too; but what was only reserved is processed again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "inbox-"));
    const database = join(folder, "inbox.sqlite");
    const first = new Inbox({ database });
    await first.once("committed", () => {});
    void first.once("reserved", () => new Promise(() => {}));
    // No close: the file is opened as a killed process leaves it.
    const second = new Inbox({ database });
    expect(await second.once("committed", () => {})).toBe(false);
    expect(await second.once("reserved", () => {})).toBe(true);
    await second.close();
    rmSync(folder, { recursive: true });
  });
});

describe("what is kept is bounded", () => {
  test("in time", async () => {
    const inbox = new Inbox({ keepMs: 1_000 });
    await inbox.once("a", () => {}, 0);
    await inbox.once("b", () => {}, 1_000);
    expect(await inbox.once("a", () => {}, 1_000)).toBe(false);
    await inbox.once("c", () => {}, 1_001);
    expect(inbox.size).toBe(2);
    expect(await inbox.once("a", () => {}, 1_001)).toBe(true);
  });

  test("in number", async () => {
    const inbox = new Inbox({ maxKept: 3 });
    for (const id of ["a", "b", "c", "d", "e"]) await inbox.once(id, () => {});
    expect(inbox.size).toBe(3);
    expect(await inbox.once("c", () => {})).toBe(false);
    expect(await inbox.once("b", () => {})).toBe(true);
  });

  test("by default for longer than a provider goes on trying", async () => {
    const inbox = new Inbox();
    const longest = 1.2 * (75 * 60 + 36) * 60_000;
    await inbox.once("a", () => {}, 0);
    await inbox.once("b", () => {}, longest);
    expect(await inbox.once("a", () => {}, longest)).toBe(false);
  });
});
