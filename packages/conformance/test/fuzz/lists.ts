// What servers have been broken with: fixed lists of what is malformed, and chance to go on with.
import type { Random } from "@tidings/shared/random";

const LONG = "9".repeat(10_000);

/** No cursors, each as it stands in a query. All of them are a 400: CURSOR-2. */
export const NO_CURSORS = [
  "",
  "-1",
  "1.5",
  "1e3",
  "0x1",
  "%00",
  "1-1%00",
  "%0d%0aX-Injected:%201",
  "1-1%0d%0aX-Injected:%201",
  "+1-1",
  "1-%2B1",
  "1-1%20",
  "%201-1",
  "01-1",
  "1-01",
  "--",
  "1--1",
  "1-1-1",
  "-",
  "1-",
  "9007199254740993",
  "1-9007199254740993",
  "9007199254740993-1",
  "1-1000000000000000",
  "NaN-NaN",
  "Infinity-1",
  "null",
  "undefined",
  "[object%20Object]",
  "%EF%BC%91-%EF%BC%91",
  "%ff%fe",
  "%c0%80",
  "../../etc/passwd",
  "<script>",
  LONG,
  `1-${LONG}`,
];

/** Values of a header that name no cursor either. One that is empty is no value at all to HTTP. */
export const NO_CURSOR_HEADERS = NO_CURSORS.filter((cursor) => cursor !== "");

/** Headers that do not let anybody in. */
export const NO_CREDENTIALS = [
  "Bearer",
  "Bearer ",
  "Bearer a b",
  "bearer \u00ff",
  "Basic Og==",
  "token",
  `Bearer ${"x".repeat(4_000)}`,
  `Bearer${" ".repeat(4_000)}x`,
];

/** The headers that the techniques read, each with values that parsers have stumbled over. */
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  "Last-Event-ID": ["0-0", "1-1", ...NO_CURSOR_HEADERS],
  "If-None-Match": ["*", 'W/"', '"', '""', "W/", ",,,,", '"a",W/"b', `"${"x".repeat(4_000)}"`],
  Prefer: [
    "wait=0",
    "wait=-1",
    "wait=1e9",
    "wait=999999999999999999999",
    'wait="',
    "wait=wait=wait",
    "wait;wait;wait",
    '"\\',
    ",".repeat(4_000),
    '"'.repeat(4_001),
    "\\".repeat(4_000),
    "wait = ; wait",
    `${"a;".repeat(2_000)}wait=1`,
  ],
  "Sec-WebSocket-Protocol": [
    "tidings.v1",
    "tidings.v1,tidings.v1",
    "tidings.v2",
    ",",
    ", ,tidings.v1",
    "a".repeat(4_000),
    " ,".repeat(2_000),
    "tidings.v1\u00ff",
  ],
  Origin: [
    "null",
    "http://",
    "http://127.0.0.1",
    "http://127.0.0.1.example.org",
    "http://127.0.0.1@example.org",
    "http://example.org#127.0.0.1",
    "file://",
    "javascript:alert(1)",
    "http://[::1",
    "http://127.0.0.1:99999",
    "//127.0.0.1",
    "http://127.0.0.1, http://example.org",
    "\u00ff\u00fe",
  ],
  Authorization: NO_CREDENTIALS,
  "Content-Type": [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;",
    ";",
    "/",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "application/x-www-form-urlencoded",
    "text/plain\u00ff",
    "a".repeat(4_000),
  ],
  "Idempotency-Key": ["", "k", "\u00ff", "__proto__", "x".repeat(255), "x".repeat(256), '"'],
  "Content-Encoding": ["gzip", "identity", "br, gzip"],
  Upgrade: ["websocket", "WebSocket", "h2c", "websocket, h2c", ""],
  "Sec-WebSocket-Key": ["x3JJHMbDL1EzLkh9GBhXDw==", "", "x", "=".repeat(4_000)],
  "Sec-WebSocket-Version": ["13", "8", "", "99999999999"],
  "X-Forwarded-Host": ["example.org"],
};

// Some of them pass for a local name, and are no host in any URL.
const HOSTS = [
  "xn--a",
  "[x]",
  "[::1",
  "localhost:99999",
  "localhost.",
  "a b",
  "a/health?",
  "u@localhost",
  "#.localhost",
  "example.org",
  "%00",
  "",
];

const QUERIES = [
  ...NO_CURSORS.map((cursor) => `after=${cursor}`),
  "after=0-0",
  "after=1-1&after=0-0",
  "after[]=0-0",
  "after%00=1",
  "types=",
  "types=a",
  "types=a&types=b",
  "types=A",
  "types=a,,b",
  "types=*",
  "types=feed.gap",
  "types=__proto__,constructor,to_string",
  `types=${Array(33).fill("a").join()}`,
  `types=${"a".repeat(129)}`,
  `types=${"a.".repeat(5_000)}`,
  "types=a%00",
  "types=a%0ab",
  "types=%",
  "types=%zz",
  "types[]=a",
  "limit=",
  "limit=-1",
  "limit=0",
  "limit=1e9",
  "limit=99999999999999999999",
  "limit=1&limit=x",
  "limit=%31",
  "ticket=",
  "ticket=__proto__",
  `ticket=${"x".repeat(4_000)}`,
  "ticket=a&ticket=b",
  "named",
  "named=1&named=2",
  "__proto__=1",
  "__proto__[after]=1-1",
  "constructor.prototype.after=1",
  "&&&&",
  "=",
  "=1-1",
  "%",
  "?",
  "%00",
];

const FRAGMENTS = [
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  '"',
  '"type"',
  '"data"',
  '"event"',
  '"key"',
  '"publish"',
  '"ping"',
  '"a.b"',
  '"feed.gap"',
  "1e999",
  "-0",
  "1",
  "null",
  "true",
  "\\u0000",
  "\\ud800",
  "\ufeff",
  "\u0000",
  "é",
  "👋🏽",
  '"__proto__"',
  " ",
  "\n",
];

const PUBLISHES = [
  '{"type":"fuzz.ok","data":1}',
  '{"type":"fuzz.ok","data":1e999}',
  '{"type":"fuzz.ok","data":"\\ud800"}',
  '{"type":"fuzz.ok","data":{"__proto__":{"type":"x"}}}',
  '{"__proto__":{"type":"a","data":1}}',
  '{"type":"fuzz.ok","type":"feed.gap","data":1}',
  '{"type":["a"],"data":1}',
  '{"type":{"toString":"a"},"data":1}',
  `{"type":"fuzz.ok","data":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
  `{"type":"fuzz.ok","data":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}`,
  `{"type":"fuzz.ok","data":"${"x".repeat(70_000)}"}`,
];

/** A client's frames: some that are right, and all kinds of what is not. */
export const FRAMES = [
  '{"type":"ping"}',
  '{"type":"publish","event":{"type":"fuzz.ok","data":1}}',
  '{"type":"publish","event":{"type":"fuzz.ok","data":1},"key":"k"}',
  '{"type":"publish","event":{"type":"fuzz.ok","data":1},"key":1}',
  '{"type":"publish","event":null}',
  '{"type":"publish","event":[]}',
  '{"type":"publish"}',
  '{"type":"ping","type":"publish"}',
  '{"type":["ping"]}',
  '{"type":{"toString":"ping"}}',
  '{"__proto__":{"type":"ping"}}',
  ...PUBLISHES.filter((body) => body.length < 60_000).map(
    (event) => `{"type":"publish","event":${event}}`,
  ),
  ...["", " ", "123", "true", "null", '"q"', "[]", "{}", "[", "{", "NaN", "\u0000", "\ufeff{}"],
];

/** Text that is nearly JSON. */
export const nearlyJson = (random: Random): string =>
  Array.from({ length: random.int(0, 12) }, () => random.pick(FRAGMENTS)).join("");

const noise = (random: Random, from: number, to: number): string =>
  String.fromCharCode(...Array.from({ length: random.int(0, 40) }, () => random.int(from, to)));

const escaped = (random: Random): string =>
  Array.from({ length: random.int(0, 30) }, () =>
    random.chance(0.5)
      ? `%${random.int(0, 255).toString(16).padStart(2, "0")}`
      : random.pick([..."0123456789-.eE+xn,&=[]"]),
  ).join("");

const METHODS = ["GET", "GET", "GET", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"];
const PATHS = [
  "/events",
  "/events",
  "/events",
  "/events",
  "/status",
  "/health",
  "/events/",
  "/%00",
  "//events",
  "/nothing",
];

/** With these a GET becomes a WebSocket, where there is one. */
export const HANDSHAKE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
  "Sec-WebSocket-Version: 13",
];

const headersOf = (random: Random): string[] => {
  const names = Object.keys(HEADERS);
  const bad = Array.from({ length: random.int(0, 4) }, () => {
    const name = random.pick(names);
    // Everything that a header may carry, and a little that it may not: a tab, a DEL, a NUL.
    const value = random.chance(0.7)
      ? random.pick(HEADERS[name] ?? [])
      : noise(random, 0x20, 0xff) +
        (random.chance(0.05) ? random.pick(["\t", "\u007f", "\0"]) : "");
    return `${name}: ${value}`;
  });
  return random.chance(0.1) ? [...HANDSHAKE, ...bad] : bad;
};

/** A request's bytes, and whether its answer has a body. */
export interface Bad {
  readonly bytes: Buffer;
  readonly head: boolean;
}

export const requestOf = (
  line: string,
  headers: readonly string[],
  body = "",
  host = "127.0.0.1",
): Bad => {
  const bytes = Buffer.from(body);
  const length = body === "" && line.startsWith("GET") ? [] : [`Content-Length: ${bytes.length}`];
  const top = [`${line} HTTP/1.1`, `Host: ${host}`, ...length, ...headers, "", ""].join("\r\n");
  return {
    bytes: Buffer.concat([Buffer.from(top, "latin1"), bytes]),
    head: line.startsWith("HEAD"),
  };
};

/** A request that is bad in one way or another; now and then one is good by chance. */
export const badRequest = (random: Random): Bad => {
  const headers = headersOf(random);
  const host = random.chance(0.1) ? random.pick(HOSTS) : undefined;
  if (random.chance(0.25)) {
    const body = random.chance(0.5) ? nearlyJson(random) : random.pick(PUBLISHES);
    const json = random.chance(0.8) ? ["Content-Type: application/json"] : [];
    return requestOf(
      `POST ${random.pick(["/events", "/events", "/tickets"])}`,
      [...json, ...headers],
      body,
      host,
    );
  }
  const query = Array.from({ length: random.int(0, 2) }, () =>
    random.chance(0.7)
      ? random.pick(QUERIES)
      : `${random.pick(["after", "types", "limit", "ticket"])}=${escaped(random)}`,
  );
  const line = `${random.pick(METHODS)} ${random.pick(PATHS)}?${query.join("&")}`;
  return requestOf(line, headers, "", host);
};
