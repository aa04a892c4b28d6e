import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { isEventType, isFeedEvent, parseCursor } from "../src/event.ts";
import { asProblem, isProblem, Problem } from "../src/problem.ts";
import { readQuery } from "../src/query.ts";

afterEach(() => {
  mock.restore();
});

const statusOf = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return error instanceof Problem ? error.status : error;
  }
  return "no error";
};

describe("parseCursor", () => {
  test.each([
    ["1763675000123-42", 1_763_675_000_123, 42],
    ["0-0", 0, 0],
    ["7-0", 7, 0],
    ["999999999999999-999999999999999", 999_999_999_999_999, 999_999_999_999_999],
  ])("CURSOR-1: reads %s", (text, epoch, offset) => {
    expect(parseCursor(text)).toEqual({ epoch, offset });
  });

  const malformed = [
    "",
    "-",
    "-1",
    "1-",
    "1",
    "1.5",
    "1.5-1",
    "1-1.5",
    "1e3",
    "1e3-1",
    "0x1",
    "0x1-1",
    "\0",
    "1\0-1",
    "1-1\0",
    "1-1\n",
    " 1-1",
    "1-1 ",
    "1 -1",
    "01-1",
    "1-01",
    "00-0",
    "+1-1",
    "1-+1",
    "1--1",
    "-1-1",
    "1-2-3",
    "1-1,1-2",
    `1-${2 ** 53 + 1}`,
    `${2 ** 53 + 1}-1`,
    "1".repeat(10_240),
    `1-${"1".repeat(10_240)}`,
    "١-١",
    "１-１",
    "NaN-1",
    "Infinity-1",
    "null",
    "undefined",
    "*",
  ];
  test.each(malformed.map((text) => [JSON.stringify(text).slice(0, 40), text]))(
    "CURSOR-2: refuses %s",
    (_, text) => {
      expect(parseCursor(text)).toBeUndefined();
    },
  );
});

describe("isEventType", () => {
  test.each(["a", "payment.success", "a.b.c.d", "_", "0", "a_1.b_2", "feed.gap", "a".repeat(128)])(
    "EVENT-3: takes %s",
    (type) => {
      expect(isEventType(type)).toBe(true);
    },
  );

  test.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "A",
    "a-b",
    "a b",
    "a\n",
    "a\r\ndata: x",
    "a\0",
    "ä",
    "a,b",
    "a/b",
    "*",
    "a.*",
    "a".repeat(129),
  ])("EVENT-3: refuses %j", (type) => {
    expect(isEventType(type)).toBe(false);
  });
});

describe("isFeedEvent", () => {
  const event = { id: "1-1", type: "a", time: "2025-11-20T21:48:00.000Z", data: null };

  test("takes what has the four parts", () => {
    expect(isFeedEvent(event)).toBe(true);
    expect(isFeedEvent({ ...event, data: undefined })).toBe(true);
  });

  test("refuses what is no object", () => {
    for (const value of [null, undefined, 1, "event", [], {}])
      expect(isFeedEvent(value)).toBe(false);
  });

  test.each(["id", "type", "time", "data"])("refuses an event without %s", (name) => {
    const rest = Object.entries(event).filter(([key]) => key !== name);
    expect(isFeedEvent(Object.fromEntries(rest))).toBe(false);
  });

  test.each(["id", "type", "time"])("refuses an event with a number for %s", (name) => {
    expect(isFeedEvent({ ...event, [name]: 1 })).toBe(false);
  });
});

describe("Problem", () => {
  test("ERROR-1: is a problem document with its headers", async () => {
    const response = new Problem(405, "method: wrong.", { allow: "GET" }).toResponse();
    expect(response.status).toBe(405);
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      allow: "GET",
    });
    const document: unknown = await response.json();
    expect(document).toEqual({
      type: "about:blank",
      title: "Method not allowed",
      status: 405,
      detail: "method: wrong.",
    });
    expect(isProblem(document)).toBe(true);
  });

  test("isProblem wants a detail to show", () => {
    for (const value of [null, "text", [], {}, { detail: 1 }]) expect(isProblem(value)).toBe(false);
  });

  test("ERROR-2: of any other error the client learns only that it was", () => {
    const report = spyOn(console, "error").mockImplementation(() => {});
    const failure = new Error("the password is 1234");
    const problem = asProblem(failure);
    expect(problem.status).toBe(500);
    expect(JSON.stringify(problem)).not.toContain("1234");
    expect(report).toHaveBeenCalledWith(failure);
    const known = new Problem(422, "type: wrong.");
    expect(asProblem(known)).toBe(known);
  });
});

const read = (query: string) => readQuery(new Request(`http://localhost/events${query}`));

describe("readQuery", () => {
  test("reads the place and the filter", () => {
    expect(read("")).toMatchObject({ after: undefined, types: undefined });
    expect(read("?after=1-2&types=a")).toMatchObject({ after: "1-2", types: ["a"] });
  });

  test("the same filter in another order is the same filter", () => {
    expect(read("?types=b,a").types).toEqual(read("?types=a,b").types);
  });

  test("an empty cursor is a malformed one, not none", () => {
    expect(read("?after=").after).toBe("");
  });

  const names = (count: number) => Array.from({ length: count }, (_, n) => `t${n}`).join();
  test.each(["", ",", "a,", "A", "a b", "a.*", "a%0Ab", names(33)])(
    "FILTER-2: refuses types=%s",
    (types) => {
      expect(statusOf(() => read(`?types=${types}`))).toBe(400);
    },
  );

  test("FILTER-2: takes 32 types", () => {
    expect(read(`?types=${names(32)}`).types).toHaveLength(32);
  });
});

describe("readQuery's limit", () => {
  test.each([
    ["", 100],
    ["?limit=1", 1],
    ["?limit=0", 1],
    ["?limit=1000", 1_000],
    ["?limit=1001", 1_000],
    ["?limit=99999999999999999999", 1_000],
  ])("POLL-2: %s is %d", (query, limit) => {
    expect(read(query).limit).toBe(limit);
  });

  test.each(["", "-1", "1.5", "1e3", "0x1", " 1", "ten", "\0"])("POLL-2: refuses %j", (limit) => {
    expect(statusOf(() => read(`?limit=${encodeURIComponent(limit)}`))).toBe(400);
    // What was refused is not kept.
    expect(statusOf(() => read(`?limit=${encodeURIComponent(limit)}`))).toBe(400);
  });
});
