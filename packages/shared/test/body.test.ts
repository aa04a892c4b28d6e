import { describe, expect, test } from "bun:test";
import { readBody, readJson } from "../src/body.ts";
import { checkPublish } from "../src/contract.ts";
import type { Json } from "../src/event.ts";
import { Problem } from "../src/problem.ts";

const request = (body: Bun.BodyInit | null, headers: Record<string, string> = {}) =>
  new Request("http://localhost/events", { method: "POST", body, headers });

/** A body that comes in chunks and does not say its length; counts what was taken from it. */
const chunked = (...chunks: (string | Uint8Array<ArrayBuffer>)[]) => {
  const taken = { chunks: 0 };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        const chunk = chunks[taken.chunks++];
        if (chunk === undefined) controller.close();
        else
          controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, taken };
};

const statusOf = async (act: () => unknown) => {
  try {
    await act();
  } catch (error) {
    return error instanceof Problem ? error.status : error;
  }
  return "no error";
};

describe("readBody", () => {
  test("takes what fits, exactly", async () => {
    const read = async (body: Bun.BodyInit) =>
      new TextDecoder().decode(await readBody(request(body), 5));
    expect(await read("12345")).toBe("12345");
    expect(await read(chunked("12", "", "345").stream)).toBe("12345");
    expect((await readBody(request(null), 5)).length).toBe(0);
  });

  test("PUBLISH-3: a declared length over the limit is a 413, unread", async () => {
    const { stream, taken } = chunked("123456");
    const tooLong = request(stream, { "content-length": "6" });
    expect(await statusOf(() => readBody(tooLong, 5))).toBe(413);
    expect(taken.chunks).toBe(0);
  });

  test("PUBLISH-3: chunks over the limit are a 413, and no more of them are taken", async () => {
    const { stream, taken } = chunked(...Array.from({ length: 100 }, () => "12"));
    expect(await statusOf(() => readBody(request(stream), 5))).toBe(413);
    expect(taken.chunks).toBeLessThan(6);
  });
});

describe("readJson", () => {
  const json = (body: Bun.BodyInit | null, contentType = "application/json") =>
    readJson(request(body, { "content-type": contentType }), 100);

  test.each<[string, Json]>([
    ["null", null],
    ["0", 0],
    ['"text"', "text"],
    [' {"a": [1, true]} ', { a: [1, true] }],
  ])("reads %s", async (text, value) => {
    expect(await json(text)).toEqual(value);
  });

  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=x",
    "APPLICATION/JSON",
  ])("PUBLISH-2: takes %s", async (contentType) => {
    expect(await json("1", contentType)).toBe(1);
  });

  test.each(["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "json", ""])(
    "PUBLISH-2: %j is a 415, even when the body is too large",
    async (contentType) => {
      expect(await statusOf(() => json("1", contentType))).toBe(415);
      expect(await statusOf(() => json("1".repeat(101), contentType))).toBe(415);
    },
  );

  test("PUBLISH-2: a body that says to be compressed is a 415", async () => {
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const compressed = new Request("http://localhost/", { method: "POST", headers, body: "1" });
    const refused = readJson(compressed, 100);
    await expect(refused).rejects.toMatchObject({
      status: 415,
      headers: { "accept-encoding": "identity" },
    });
  });

  test("PUBLISH-2: no content type is a 415", async () => {
    expect(await statusOf(() => readJson(request(chunked("1").stream), 100))).toBe(415);
  });

  test.each([
    ["nothing", ""],
    ["half an object", '{"a":'],
    ["two values", "1 2"],
    ["a comment", "1 // one"],
    ["single quotes", "{'a':1}"],
    ["NaN", "NaN"],
    ["a byte order mark", "\uFEFF1"],
    ["UTF-16", new Uint8Array([0x31, 0x00])],
    ["invalid UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["half a character", new Uint8Array([0x22, 0xe2, 0x82, 0x22])],
    ["an encoded surrogate", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["gzip", Bun.gzipSync("1")],
  ])("PUBLISH-2: %s is a 400", async (_, body) => {
    expect(await statusOf(() => json(body))).toBe(400);
  });
});

describe("checkPublish", () => {
  test.each<[string, Json]>([
    ["null", null],
    ["false", false],
    ["an empty text", ""],
    ["an empty list", []],
    ["an object", { a: { b: [1] } }],
  ])("EVENT-6: data may be %s", (_, data) => {
    expect(checkPublish({ type: "a", data })).toEqual({ type: "a", data });
  });

  const nested = (levels: number): Json => (levels === 0 ? 1 : [nested(levels - 1)]);

  test("PUBLISH-4: data may be 50 levels deep", async () => {
    expect(checkPublish({ type: "a", data: nested(50) }).type).toBe("a");
    expect(await statusOf(() => checkPublish({ type: "a", data: nested(51) }))).toBe(422);
    expect(await statusOf(() => checkPublish({ type: "a", data: { a: nested(50) } }))).toBe(422);
  });

  test.each<[string, Json]>([
    ["null", null],
    ["a text", "text"],
    ["a list", [{ type: "a", data: 1 }]],
    ["an object without anything", {}],
    ["a missing type", { data: 1 }],
    ["a type that is no text", { type: 1, data: 1 }],
    ["a type of the feed", { type: "feed.gap", data: 1 }],
    ["the type `feed`", { type: "feed", data: 1 }],
    ["missing data", { type: "a" }],
    ["an id", { type: "a", data: 1, id: "1-1" }],
    ["a prototype", JSON.parse('{"type":"a","data":1,"__proto__":{}}')],
  ])("PUBLISH-4: %s is a 422", async (_, body) => {
    expect(await statusOf(() => checkPublish(body))).toBe(422);
  });

  test("PUBLISH-4, EVENT-6: a number that a double may have rounded is a 422", async () => {
    const parts = (text: string) => checkPublish({ type: "a", data: JSON.parse(text) });
    for (const exact of ["9007199254740991", "-9007199254740991", "0.1", "-0", "5e-324"])
      expect(() => parts(exact)).not.toThrow();
    for (const rounded of ["9007199254740993", "[-9007199254740992]", '{"a":[1e300]}', "1e999"])
      expect(await statusOf(() => parts(rounded))).toBe(422);
    expect(() => parts("1763675000123456789")).toThrow(
      "data: holds a number beyond ±9007199254740991, which may arrive as another; send it as a string.",
    );
  });

  test("EVENT-4: only `feed` and what is under it are reserved", () => {
    expect(checkPublish({ type: "feeding.time", data: 1 }).type).toBe("feeding.time");
  });
});
