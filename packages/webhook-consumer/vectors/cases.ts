// What a delivery is made of before it becomes a vector, and what happens to bodies on their way.
import { createHmac } from "node:crypto";
import type { Reason } from "../src/verify.ts";

/** One vector, as it stands in the file. README.md explains the fields. */
export interface Vector {
  readonly name: string;
  readonly why: string;
  readonly now: number;
  readonly secrets: readonly string[];
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly expect: { verified: true; secret: number } | { verified: false; reason: Reason };
  readonly deviates?: Readonly<Record<string, string>>;
}

export interface VectorFile {
  readonly scheme: string;
  readonly about: string;
  readonly secrets: readonly { secret: string; valid: boolean; why: string }[];
  readonly vectors: readonly Vector[];
}

export type Body = string | Uint8Array;
export const bytes = (body: Body) => Buffer.from(body);
export const hmac = (key: string | Uint8Array, before: string, body: Body) =>
  createHmac("sha256", key).update(before).update(bytes(body));

/** The time in all vectors that do not play with it: that of the published one. */
export const NOW = 1_614_265_330;

/** Deliveries that are verified, whatever is in the body. */
export const BODIES: readonly (readonly [name: string, why: string, body: Body])[] = [
  ["no JSON", "what is signed are bytes; whether they are JSON is asked later", "Hello, World!"],
  ["white space", "nothing around the JSON is cut off", ' {"a": 1}\r\n'],
  [
    "numbers in rare forms",
    "1.0, 1e2 and 10000000000000000001 stay as they are",
    '{"a":1.0,"b":1e2,"c":10000000000000000001}',
  ],
  ["escapes", "an escape is not the character that it means", '{"a":"\\u00e9\\/"}'],
  ["characters of two to four bytes", "what is signed is UTF-8, as it came", '{"a":"é€🙂"}'],
  ["a key twice", "no parser has been there yet", '{"a":1,"a":2}'],
  ["a byte order mark", "it is part of the body", '\uFEFF{"a":1}'],
  ["a NUL", "no string ends there", "a\0b"],
  [
    "bytes that are not UTF-8",
    "a body is never decoded before the check",
    new Uint8Array([0x22, 0xff, 0xfe, 0x22]),
  ],
  [
    "half of a surrogate pair, in bytes",
    "UTF-8 has no such character, and nobody repairs it",
    new Uint8Array([0x22, 0xed, 0xa0, 0xbd, 0x22]),
  ],
];

/** Bodies that are not the one that was signed. */
export const CHANGES: readonly (readonly [name: string, why: string, signed: Body, came: Body])[] =
  [
    ["spaces added", "JSON that was parsed and written anew", '{"a":1,"b":2}', '{"a": 1, "b": 2}'],
    ["spaces removed", "JSON that was parsed and written anew", '{"a": 1}', '{"a":1}'],
    ["keys sorted", "another language's map has another order", '{"b":1,"a":2}', '{"a":2,"b":1}'],
    ["an escape resolved", "\\u00e9 became é", '{"a":"\\u00e9"}', '{"a":"é"}'],
    ["a character escaped", "é became \\u00e9", '{"a":"é"}', '{"a":"\\u00e9"}'],
    ["a slash escaped", "/ became \\/", '{"a":"/"}', '{"a":"\\/"}'],
    ["1.0 written as 1", "one number, two spellings", '{"a":1.0}', '{"a":1}'],
    ["1e2 written as 100", "one number, two spellings", '{"a":1e2}', '{"a":100}'],
    [
      "a large number rounded",
      "beyond 2^53 a double changes it",
      '{"a":10000000000000000001}',
      '{"a":10000000000000000000}',
    ],
    ["a key's first value dropped", "parsers keep the last one", '{"a":1,"a":2}', '{"a":2}'],
    ["a line end cut off", "a framework trimmed the body", '{"a":1}\n', '{"a":1}'],
    ["a line end added", "an editor or echo put it there", '{"a":1}', '{"a":1}\n'],
    ["CRLF made LF", "a text mode did it", '{\r\n"a":1}', '{\n"a":1}'],
    ["the byte order mark cut off", "a decoder swallowed it", '\uFEFF{"a":1}', '{"a":1}'],
    ["a byte order mark added", "an encoder put it there", '{"a":1}', '\uFEFF{"a":1}'],
    ["a byte flipped", "one bit is enough", '{"a":1}', '{"a":0}'],
    ["cut short", "a broken connection, or a limit", '{"a":1}', '{"a":1'],
    ["gone", "an empty body is no wildcard", '{"a":1}', ""],
    ["cut at a NUL", "a C string ends there", "a\0b", "a"],
    [
      "normalized",
      "é as one character and as two are not the same bytes",
      '{"a":"é"}',
      '{"a":"e\u0301"}',
    ],
  ];

/** Bodies that a decoder makes equal: whoever decodes before the check accepts them. */
export const REPAIRED: readonly (readonly [name: string, why: string, signed: Body, came: Body])[] =
  [
    [
      "repaired",
      "bytes that are not UTF-8 became U+FFFD on the way",
      new Uint8Array([0x22, 0xff, 0x22]),
      '"\uFFFD"',
    ],
    [
      "spoilt",
      "U+FFFD was signed; a byte that decodes to it came",
      '"\uFFFD"',
      new Uint8Array([0x22, 0xff, 0x22]),
    ],
  ];

/** Timestamps that are no whole seconds, and what a lenient parser makes of them. */
export const STRANGE_TIMES: readonly (readonly [text: string, why: string, read?: string])[] = [
  [`${NOW}abc`, "a parser that stops at the first letter reads it", `${NOW}`],
  [`${NOW}.0`, "a fraction, even none", `${NOW}`],
  [`${NOW}.9`, "a fraction", `${NOW}`],
  [`+${NOW}`, "a sign", `${NOW}`],
  [`-${NOW}`, "a sign"],
  [`0${NOW}`, "a leading zero: two spellings of one number", `${NOW}`],
  [`${NOW},`, "something behind it", `${NOW}`],
  [`${NOW} 1`, "two numbers", `${NOW}`],
  [`${NOW}e0`, "an exponent", `${NOW}`],
  ["1_614_265_330", "some languages read underscores"],
  ["1.61426533e9", "an exponent"],
  ["0x60378b32", "hexadecimal"],
  [`${NOW}000`, "milliseconds"],
  ["18446744075323817074", "2^64 more: the same number in 64 bits"],
  ["4294967296000000000000", "no integer type holds it"],
  ["NaN", "no number"],
  ["Infinity", "no number"],
  ["now", "no number"],
  ["2021-02-25T15:02:10Z", "a date"],
];
