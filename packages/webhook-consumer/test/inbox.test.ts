import { Database } from "bun:sqlite";
import type { FeedEvent } from "@tidings/shared";
import { afterEach, describe, expect, setSystemTime, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Inbox, type InboxOptions } from "../src/inbox.ts";
import type { Sender } from "../src/verify.ts";

const event = (id: string): FeedEvent => ({
  id,
  type: "a.b",
  time: "2026-01-02T03:04:05.678Z",
  data: { id },
});

/** Closes what a test has opened, whatever became of it. */
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const file = () => {
  const folder = mkdtempSync(join(tmpdir(), "inbox-"));
  opened.push({ [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) });
  return join(folder, "inbox.sqlite");
};

/** An inbox whose effects can be waited for, and made to fail or to wait. */
const open = (options: InboxOptions = {}) => {
  const effects: string[] = [];
  const waits = new Set<() => void>();
  const plan: { before?: (id: string, attempt: number) => unknown } = {};
  const inbox = new Inbox(
    async ({ id }, sender, attempt) => {
      await plan.before?.(id, attempt);
      effects.push(`${sender} ${id} ${attempt}`);
      for (const check of waits) check();
    },
    { minRetryMs: 1, maxRetryMs: 2, ...options },
  );
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= inbox.close());
  opened.push({ [Symbol.asyncDispose]: close });
  return {
    inbox,
    effects,
    plan,
    close,
    put: (id: string, sender: Sender = "standard") => inbox.put(sender, event(id)),
    /** Until so many events have had their effect. */
    async until(count: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = () => effects.length >= count && resolve();
      waits.add(check);
      check();
      await promise;
      waits.delete(check);
    },
  };
};

const quiet = () => {
  const log = spyOn(console, "error").mockImplementation(() => {});
  opened.push({ [Symbol.asyncDispose]: async () => log.mockRestore() });
  return log;
};

describe("CONSUMER-7: an id has its effect once", () => {
  test("however many come at once", async () => {
    const { put, until, close, effects } = open();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => put("a")));
    expect(outcomes.filter((outcome) => outcome === "stored")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "duplicate")).toHaveLength(49);
    await until(1);
    await close();
    expect(effects).toEqual(["standard a 1"]);
  });

  test("however often, and for each sender", async () => {
    const { put, until, close, effects } = open();
    for (const id of ["a", "b", "a", "a", "b"]) await put(id);
    expect(await put("a", "github")).toBe("stored");
    await until(3);
    await close();
    expect(effects.toSorted()).toEqual(["github a 1", "standard a 1", "standard b 1"]);
  });

  test("while it is being processed, and while it fails, too", async () => {
    quiet();
    const { put, until, plan } = open();
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    plan.before = async (_, attempt) => {
      begun.resolve();
      await goOn.promise;
      if (attempt === 1) throw new Error("not yet");
    };
    expect(await put("a")).toBe("stored");
    await begun.promise;
    expect(await put("a")).toBe("duplicate");
    goOn.resolve();
    await until(1);
    expect(await put("a")).toBe("duplicate");
  });

  test("also after a restart", async () => {
    const database = file();
    const first = open({ database });
    await first.put("a");
    await first.until(1);
    await first.close();
    const second = open({ database });
    expect(await second.put("a")).toBe("duplicate");
    expect(await second.put("b")).toBe("stored");
    await second.until(1);
    expect(second.effects).toEqual(["standard b 1"]);
  });
});

describe("CONSUMER-13: the events of one sender", () => {
  test("are processed one at a time, in the order in which they arrived", async () => {
    const { put, until, effects, plan } = open();
    let running = 0;
    plan.before = async () => {
      expect(++running).toBe(1);
      await Bun.sleep(0);
      running--;
    };
    const ids = Array.from({ length: 500 }, (_, n) => `e-${n}`);
    await Promise.all(ids.map((id) => put(id)));
    await until(500);
    expect(effects).toEqual(ids.map((id) => `standard ${id} 1`));
  });

  test("share a turn of the event loop when they are quick, and no turn is theirs alone", async () => {
    const { put, until } = open();
    let turns = 0;
    let counting = true;
    const count = () => {
      turns++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all(Array.from({ length: 2_000 }, (_, n) => put(`e-${n}`)));
    turns = 0;
    await until(2_000);
    counting = false;
    expect(turns).toBeGreaterThan(1);
    expect(turns).toBeLessThan(1_000);
  });

  test("wait behind one that fails, and no other sender's do", async () => {
    const log = quiet();
    const { put, until, effects, plan } = open();
    const mended = Promise.withResolvers<void>();
    plan.before = async (id, attempt) => {
      if (id !== "bad") return;
      if (attempt < 3) throw new Error("not yet");
      await mended.promise;
    };
    await Promise.all([put("bad"), put("behind"), put("elsewhere", "github")]);
    await until(1);
    expect(effects).toEqual(["github elsewhere 1"]);
    mended.resolve();
    await until(3);
    expect(effects.slice(1)).toEqual(["standard bad 3", "standard behind 1"]);
    expect(log).toHaveBeenCalledTimes(2);
  });

  test("are lost neither by a failure nor by the end of the process", async () => {
    quiet();
    const database = file();
    const first = open({ database, minRetryMs: 60_000 });
    const failed = Promise.withResolvers<void>();
    first.plan.before = () => {
      failed.resolve();
      throw new Error("never");
    };
    await Promise.all([first.put("a"), first.put("b")]);
    await failed.promise;
    await first.close();
    expect(first.effects).toEqual([]);
    const second = open({ database });
    await second.until(2);
    expect(second.effects).toEqual(["standard a 2", "standard b 1"]);
  });

  test("that are being processed may end when the inbox closes; the rest waits on disk", async () => {
    const database = file();
    const first = open({ database });
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    first.plan.before = () => {
      begun.resolve();
      return goOn.promise;
    };
    await Promise.all([first.put("a"), first.put("b")]);
    await begun.promise;
    const closed = first.close();
    expect(await first.put("c")).toBe("full");
    goOn.resolve();
    await closed;
    expect(first.effects).toEqual(["standard a 1"]);
    const second = open({ database });
    await second.until(1);
    expect(second.effects).toEqual(["standard b 1"]);
  });
});

/** Has SQLite refuse such changes from now on. Returns what mends it. */
const failOn = (database: string, when: string) => {
  const other = new Database(database);
  opened.push({ [Symbol.asyncDispose]: async () => other.close() });
  other.run(
    `CREATE TRIGGER broken BEFORE ${when} ON inbox BEGIN SELECT RAISE(ABORT, 'disk full'); END`,
  );
  return () => other.run("DROP TRIGGER broken");
};

describe("CONSUMER-8: a disk that refuses", () => {
  test("at the start is named", () => {
    expect(() => open({ database: join(tmpdir(), "nowhere", "inbox.sqlite") })).toThrow(RangeError);
    expect(() => open({ database: import.meta.path })).toThrow("database: ");
  });

  test("an event that could not be stored was not taken: it is stored when it comes again", async () => {
    quiet();
    const database = file();
    const { put, until, effects } = open({ database });
    const mend = failOn(database, "INSERT");
    await expect(put("a")).rejects.toThrow("disk full");
    mend();
    expect(await put("a")).toBe("stored");
    await until(1);
    expect(effects).toEqual(["standard a 1"]);
  });

  test("a commit that failed is repeated, its event's effect is not", async () => {
    const database = file();
    const { put, until, effects, inbox } = open({ database });
    const failed = Promise.withResolvers<void>();
    quiet().mockImplementation(() => failed.resolve());
    const mend = failOn(database, "UPDATE OF event");
    await Promise.all([put("a"), put("b")]);
    await failed.promise;
    expect(effects).toEqual(["standard a 1"]);
    expect(inbox.waiting).toBe(2);
    mend();
    await until(2);
    expect(effects).toEqual(["standard a 1", "standard b 1"]);
  });
});

test("CONSUMER-7: an effect whose commit never reached the disk is repeated: at least once", async () => {
  const database = file();
  const first = open({ database });
  const log = quiet();
  const failed = Promise.withResolvers<void>();
  log.mockImplementation(() => failed.resolve());
  const mend = failOn(database, "UPDATE OF event");
  await first.put("a");
  await failed.promise;
  // It ends all the same.
  await first.close();
  mend();
  const second = open({ database });
  await second.until(1);
  expect([...first.effects, ...second.effects]).toEqual(["standard a 1", "standard a 2"]);
});

describe("CONSUMER-12: what waits is bounded", () => {
  test("by number; a duplicate is one all the same, and there is room again afterwards", async () => {
    const { put, until, plan, inbox } = open({ maxWaiting: 3 });
    const goOn = Promise.withResolvers<void>();
    plan.before = () => goOn.promise;
    const outcomes = await Promise.all(["a", "b", "b", "c", "d", "a", "e"].map((id) => put(id)));
    expect(outcomes).toEqual([
      "stored",
      "stored",
      "duplicate",
      "stored",
      "full",
      "duplicate",
      "full",
    ]);
    expect(inbox.waiting).toBe(3);
    goOn.resolve();
    await until(3);
    expect(await put("d")).toBe("stored");
    await until(4);
  });
});

describe("CONSUMER-7: what is known is bounded", () => {
  const DAY_MS = 86_400_000;
  const at = (ms: number) => {
    setSystemTime(new Date(ms));
    opened.push({ [Symbol.asyncDispose]: async () => void setSystemTime() });
  };

  test("in time", async () => {
    const { put, until } = open({ keepMs: 1_000 });
    at(DAY_MS);
    await put("a");
    at(DAY_MS + 1_000);
    await put("b");
    await until(2);
    expect(await put("a")).toBe("duplicate");
    at(DAY_MS + 1_001);
    await put("c");
    await until(3);
    await put("d");
    await until(4);
    expect(await put("a")).toBe("stored");
    expect(await put("b")).toBe("duplicate");
  });

  test("in number", async () => {
    const { put, until } = open({ maxKept: 3 });
    for (const [n, id] of ["a", "b", "c", "d", "e", "f"].entries()) {
      await put(id);
      await until(n + 1);
    }
    expect(await put("d")).toBe("duplicate");
    expect(await put("a")).toBe("stored");
  });

  test("but what waits is not forgotten, however old it is", async () => {
    quiet();
    const { put, until, plan, effects } = open({ keepMs: 1, maxKept: 1 });
    const goOn = Promise.withResolvers<void>();
    plan.before = (id) => (id === "old" ? goOn.promise : undefined);
    at(DAY_MS);
    await Promise.all([put("old"), put("old, too")]);
    at(2 * DAY_MS);
    for (const [n, id] of ["a", "b", "c"].entries()) {
      await put(id, "github");
      await until(n + 1);
    }
    goOn.resolve();
    await until(5);
    expect(effects.slice(-2)).toEqual(["standard old 1", "standard old, too 1"]);
  });

  test("by default for longer than a provider goes on trying", async () => {
    const { put, until } = open();
    const longest = 1.2 * (75 * 60 + 36) * 60_000;
    at(DAY_MS);
    await put("a");
    await until(1);
    at(DAY_MS + longest);
    await put("b");
    await until(2);
    await put("c");
    await until(3);
    expect(await put("a")).toBe("duplicate");
  });
});
