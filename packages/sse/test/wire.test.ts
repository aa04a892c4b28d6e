import { describe, expect, test } from "bun:test";
import { createParser } from "eventsource-parser";
import { decodeEvent, decoder, encode, encodeEvent, type Message } from "../src/wire.ts";

const event = {
  id: "1763675000123-42",
  type: "payment.success",
  time: "2025-11-20T21:48:00.000Z",
  data: { amount: 42 },
};

describe("encode", () => {
  test.each<[string, Message, string]>([
    ["data", { data: "hello" }, "data: hello\n\n"],
    ["empty data", { data: "" }, "data: \n\n"],
    ["LF in data", { data: "a\nb" }, "data: a\ndata: b\n\n"],
    ["CR in data", { data: "a\rb" }, "data: a\ndata: b\n\n"],
    ["CRLF in data", { data: "a\r\nb" }, "data: a\ndata: b\n\n"],
    ["LFCR in data, which is two ends", { data: "a\n\rb" }, "data: a\ndata: \ndata: b\n\n"],
    ["a line end at the end of data", { data: "a\n" }, "data: a\ndata: \n\n"],
    ["a field in data", { data: "a\nid: 666" }, "data: a\ndata: id: 666\n\n"],
    ["a message in data", { data: "a\n\nretry: 1" }, "data: a\ndata: \ndata: retry: 1\n\n"],
    ["leading space", { data: " a" }, "data:  a\n\n"],
    ["U+2028, which ends no line", { data: "a\u2028b" }, "data: a\u2028b\n\n"],
    ["id", { id: "1-2" }, "id: 1-2\n\n"],
    ["event", { event: "a.b", data: "x" }, "event: a.b\ndata: x\n\n"],
    ["retry", { retry: 2_871 }, "retry: 2871\n\n"],
    ["a retry that is not whole", { retry: 2_871.6 }, "retry: 2872\n\n"],
    ["a comment", { comment: "hello" }, ": hello\n\n"],
    ["an empty comment", { comment: "" }, ": \n\n"],
    ["a heartbeat", { comment: "", id: "1-2" }, ": \nid: 1-2\n\n"],
    ["an opening", { retry: 2_000, id: "1-0" }, "retry: 2000\nid: 1-0\n\n"],
    ["nothing", {}, "\n"],
    [
      "everything",
      { comment: "c", retry: 1, id: "i", event: "e", data: "d" },
      ": c\nretry: 1\nid: i\nevent: e\ndata: d\n\n",
    ],
  ])("SSE-5: writes %s", (_, message, frame) => {
    expect(encode(message)).toBe(frame);
  });

  const injections = ["a\nb", "a\rb", "a\r\ndata: x", "a\0b", "\n", "\r", "\0", "a\n\ndata: x\n\n"];
  test.each(injections)("SSE-5: refuses %j in id, event and comment", (value) => {
    expect(() => encode({ id: value, data: "x" })).toThrow("id: must not contain");
    expect(() => encode({ event: value, data: "x" })).toThrow("event: must not contain");
    expect(() => encode({ comment: value })).toThrow("must not contain");
  });
});

describe("encodeEvent", () => {
  test("SSE-3: an event, byte for byte", () => {
    expect(encodeEvent(event)).toBe(
      'id: 1763675000123-42\ndata: {"type":"payment.success","time":"2025-11-20T21:48:00.000Z","data":{"amount":42}}\n\n',
    );
  });

  test("SSE-4: a named event, byte for byte", () => {
    expect(encodeEvent(event, true)).toBe(
      'id: 1763675000123-42\nevent: payment.success\ndata: {"type":"payment.success","time":"2025-11-20T21:48:00.000Z","data":{"amount":42}}\n\n',
    );
  });

  test("SSE-5: whatever lies in the data, it is one line", () => {
    const nasty = { ...event, data: "\r\n\r\nid: 1\n\ndata: x\r\0\u2028" };
    const frame = encodeEvent(nasty);
    expect(frame.split("\n")).toHaveLength(4);
    expect(frame).not.toMatch(/[\r\0]/);
    expect([...decoder()(frame)].map(decodeEvent)).toEqual([nasty]);
  });

  test("SSE-5, ERROR-6: an id or a type that would start a field is refused", () => {
    expect(() => encodeEvent({ ...event, id: "1\n" })).toThrow("id");
    expect(() => encodeEvent({ ...event, type: "a\r" }, true)).toThrow("event");
  });
});

describe("decodeEvent", () => {
  test("gives back what was encoded, named or not", () => {
    for (const named of [false, true])
      expect([...decoder()(encodeEvent(event, named))].map(decodeEvent)).toEqual([event]);
  });

  test("a message that carries no event is none", () => {
    const { id } = event;
    expect(decodeEvent({ id })).toBeUndefined();
    expect(decodeEvent({ data: '{"type":"a","time":"t","data":1}' })).toBeUndefined();
    for (const data of [
      "null",
      "1",
      "[]",
      "{}",
      '{"type":"a","data":1}',
      '{"type":1,"time":"t","data":1}',
    ])
      expect(decodeEvent({ id, data })).toBeUndefined();
  });
});

/** All that an observer of a stream can see; the last id lives on from message to message. */
interface Seen {
  readonly messages: { id: string | undefined; event: string | undefined; data: string }[];
  lastId: string | undefined;
  retry: number | undefined;
}

const decodeAll = (chunks: readonly string[]): Seen => {
  const seen: Seen = { messages: [], lastId: undefined, retry: undefined };
  const decode = decoder();
  for (const chunk of chunks)
    for (const { id, event, data, retry } of decode(chunk)) {
      seen.lastId = id ?? seen.lastId;
      seen.retry = retry ?? seen.retry;
      if (data !== undefined) seen.messages.push({ id, event: event || undefined, data });
    }
  return seen;
};

/** The same by an independent implementation. */
const parseAll = (chunks: readonly string[]): Seen => {
  const seen: Seen = { messages: [], lastId: undefined, retry: undefined };
  const parser = createParser({
    onId: (id) => (seen.lastId = id),
    onRetry: (retry) => (seen.retry = retry),
    onEvent: ({ id, event, data }) => seen.messages.push({ id, event: event || undefined, data }),
  });
  for (const chunk of chunks) parser.feed(chunk);
  return seen;
};

const cut = (text: string, ...places: number[]) => {
  const ends = [...places.sort((a, b) => a - b), text.length];
  return ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
};

describe("decoder", () => {
  test.each<[string, string, Message[]]>([
    ["data", "data: hello\n\n", [{ data: "hello" }]],
    ["no space", "data:hello\n\n", [{ data: "hello" }]],
    ["two spaces", "data:  hello\n\n", [{ data: " hello" }]],
    ["several lines", "data: a\ndata: b\n\n", [{ data: "a\nb" }]],
    ["a name without a colon", "data\n\n", [{ data: "" }]],
    ["colons in the value", "data: a:b: c\n\n", [{ data: "a:b: c" }]],
    ["comments", ": hi\n:\ndata: a\n: in between\n\n", [{ data: "a" }]],
    ["unknown fields", "date: a\nDATA: b\n data: c\ndata: d\n\n", [{ data: "d" }]],
    ["an id alone: the cursor moves", "id: 1-2\n\n", [{ id: "1-2" }]],
    ["an id with NUL: ignored", "id: 1\0\ndata: a\n\n", [{ data: "a" }]],
    ["an id with NUL after a good one", "id: 1-2\nid: 3\0\n\n", [{ id: "1-2" }]],
    ["the last of two ids", "id: 1\nid: 2\ndata: a\n\n", [{ id: "2", data: "a" }]],
    ["retry alone", "retry: 2000\n\n", [{ retry: 2_000 }]],
    [
      "a retry that is no number",
      "retry: 2s\nretry: -1\nretry: 1.5\nretry:\ndata: a\n\n",
      [{ data: "a" }],
    ],
    ["a heartbeat", ": \nid: 1-2\n\n", [{ id: "1-2" }]],
    ["an event without data: dropped", "event: a\n\ndata: b\n\n", [{ data: "b" }]],
    ["a byte order mark", "\uFEFFdata: a\n\n", [{ data: "a" }]],
    ["a second byte order mark: part of a name", "\uFEFF\uFEFFdata: a\n\n", []],
    [
      "a byte order mark later on",
      "data: a\n\n\uFEFFdata: b\n\ndata: c\n\n",
      [{ data: "a" }, { data: "c" }],
    ],
    ["CR", "data: a\rdata: b\r\rdata: c\n\n", [{ data: "a\nb" }, { data: "c" }]],
    ["CRLF", "data: a\r\ndata: b\r\n\r\n", [{ data: "a\nb" }]],
    ["a mix of line ends", "data: a\r\ndata: b\rdata: c\n\r\n", [{ data: "a\nb\nc" }]],
    ["half a message: not yet", "data: a\n", []],
    ["empty lines", "\n\n\ndata: a\n\n\n\n", [{ data: "a" }]],
  ])("SSE-12: reads %s", (_, text, messages) => {
    const shape = (decoded: Iterable<Message>) =>
      [...decoded].map((message) => JSON.parse(JSON.stringify(message)));
    expect(shape(decoder()(text))).toEqual(messages);

    // The same, byte by byte: no split may make a difference.
    const decode = decoder();
    expect([...text].flatMap((character) => shape(decode(character)))).toEqual(messages);
  });

  test("SSE-12: a CRLF that is cut in two is one line end", () => {
    const text = "data: a\r\n\r\ndata: b\r\n\r\n";
    for (let place = 0; place <= text.length; place++)
      expect(decodeAll(cut(text, place)).messages.map(({ data }) => data)).toEqual(["a", "b"]);
  });

  test("SSE-12: a CR at the end of a chunk ends its line at once", () => {
    const decode = decoder();
    const data = (chunk: string) => [...decode(chunk)].map((message) => message.data);
    expect(data("data: a\r\r")).toEqual(["a"]);
    expect(data("\ndata: b\r\n\r")).toEqual(["b"]);
    // The LF that is still to come belongs to it, however late; the next one does not.
    expect(data("")).toEqual([]);
    expect(data("\n")).toEqual([]);
    expect(data("data: c\r")).toEqual([]);
    expect(data("\n\n")).toEqual(["c"]);
    expect(data("data: d\r")).toEqual([]);
    expect(data("\n")).toEqual([]);
    expect(data("\n")).toEqual(["d"]);
  });

  test("SSE-12: empty chunks change nothing, not even before a byte order mark", () => {
    expect(decodeAll(["", "\uFEFF", "", "data: a\n", "", "\n"]).messages).toEqual([
      { id: undefined, event: undefined, data: "a" },
    ]);
  });

  test("SSE-12: agrees with eventsource-parser on random streams, cut anywhere", () => {
    const base = Math.floor(Math.random() * 2 ** 31);
    for (let seed = base; seed < base + 3_000; seed++) {
      let state = seed;
      const int = (max: number) => {
        // A linear congruential generator: enough for choices, and repeatable.
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return Math.floor((state / 2 ** 32) * max);
      };
      const pick = (items: readonly string[]) => items[int(items.length)] ?? "";
      const names = ["data", "data", "data", "id", "event", "retry", "", "dat", "DATA", " data"];
      const values = [
        "",
        "a",
        " a",
        "1-2",
        "7",
        "a:b",
        "ä😀",
        "\0",
        "1\0",
        "{}",
        "\u2028",
        "x\uFEFF",
      ];
      const line = () => pick(names) + pick([":", ": ", ":", ""]) + pick(values);
      let text = pick(["", "", "\uFEFF"]);
      for (let n = int(40); n > 0; n--)
        text += pick([line(), line(), ""]) + pick(["\n", "\n", "\r", "\r\n"]);
      // A CR at the very end may be half of a CRLF, and the two decoders may wait differently.
      text += "\n\n";
      const chunks = cut(text, ...Array.from({ length: int(8) }, () => int(text.length + 1)));
      expect({ seed, ...decodeAll(chunks) }).toEqual({ seed, ...parseAll(chunks) });
    }
  });

  test("SSE-5, SSE-12: an independent parser reads what we write", () => {
    const frames = [
      encode({ retry: 2_000, id: "1-0" }),
      encodeEvent(event),
      encode({ comment: "", id: "1-9" }),
      encodeEvent({ ...event, id: "1-10", data: "\r\n\r\ndata: x" }, true),
    ];
    const seen = parseAll([frames.join("")]);
    const [first, second, ...rest] = seen.messages;
    expect([first?.id, first?.event]).toEqual([event.id, undefined]);
    expect(JSON.parse(first?.data ?? "")).toEqual({ ...event, id: undefined });
    expect([second?.id, second?.event]).toEqual(["1-10", "payment.success"]);
    expect(JSON.parse(second?.data ?? "").data).toBe("\r\n\r\ndata: x");
    expect(rest).toEqual([]);
    expect([seen.lastId, seen.retry]).toEqual(["1-10", 2_000]);
  });
});

describe("CLIENT-8: a message without an end", () => {
  const MIB = 2 ** 20;

  test.each([
    ["a line", "x".repeat(MIB)],
    ["lines of data", `data: ${"x".repeat(MIB)}\n`],
    ["lines of data, cut anywhere", `x\ndata: ${"x".repeat(MIB)}`],
  ])("is an error: %s", (_, chunk) => {
    const decode = decoder();
    const read = () => {
      for (let n = 0; n < 20; n++) for (const _ of decode(chunk));
    };
    expect(read).toThrow("The server's message is longer than 16777216 characters.");
  });

  test("many messages of any length together are none", () => {
    const decode = decoder();
    let count = 0;
    for (let n = 0; n < 20; n++)
      for (const _ of decode(`data: ${"x".repeat(MIB)}\n\ndata: `)) count++;
    expect(count).toBe(20);
  });
});
