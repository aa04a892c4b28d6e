import { expect, test } from "bun:test";
import { transcript, type Direction, type TapRecord } from "@tidings/tap";

const record = (
  direction: Direction,
  bytes: string | number[],
  rest: Partial<TapRecord> = {},
): TapRecord => ({ at: 1000, connection: 1, direction, bytes: Buffer.from(bytes), ...rest });

test("a transcript shows every byte, its direction and what became of the connection", () => {
  expect(
    transcript([
      record("up", "", { mark: "open" }),
      record("up", "GET /events HTTP/1.1\r\n\r\n"),
      record("down", "HTTP/1.1 200 OK\r\n\r\nid: 1-1\n\n"),
      record("down", "", { mark: "cut" }),
    ]),
  ).toBe(`-- open
→ GET /events HTTP/1.1\\r\\n
→ \\r\\n
← HTTP/1.1 200 OK\\r\\n
← \\r\\n
← id: 1-1\\n
← \\n
-- cut
`);
});

test("how TCP cut the bytes does not show, not even within a character", () => {
  const bytes = Buffer.from("données\r\n✓\n");
  const whole = transcript([record("down", [...bytes])]);
  expect(whole).toBe("← données\\r\\n\n← ✓\\n\n");
  expect(transcript([...bytes].map((byte) => record("down", [byte])))).toBe(whole);
});

test("what cannot be printed is escaped", () => {
  expect(transcript([record("up", [0x81, 0x7e, 0x00, 0x41])])).toBe("→ \\x81~\\x00A\n");
  expect(transcript([record("up", "a\u0000b\u202ec\td\\n")])).toBe("→ a\\u{0}b\\u{202e}c\\td\\n\n");
});

test("several connections are numbered, and times count from the first record", () => {
  const records = [
    record("up", "a\nb"),
    record("up", "c", { connection: 2, at: 1002.25 }),
    record("down", "", { connection: 2, at: 1012, mark: "reset" }),
  ];
  expect(transcript(records)).toBe(`#1 → a\\n\n   → b\n#2 → c\n#2 -- reset by the server\n`);
  expect(transcript(records, { times: true })).toBe(
    [
      "      0.0 ms  #1 → a\\n",
      "                 → b",
      "      2.3 ms  #2 → c",
      "     12.0 ms  #2 -- reset by the server",
      "",
    ].join("\n"),
  );
});

test("no records, no text", () => expect(transcript([])).toBe(""));
