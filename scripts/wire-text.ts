// Makes HTTP/1.1 and WebSocket bytes readable: pure decoding, no I/O.

/** Takes the next bytes of one direction of a connection, returns the text that they complete. */
export type Read = (bytes: Uint8Array) => string;

// Headers that every message carries, and that say nothing about a technique.
const NOISE = [
  "accept-encoding",
  "content-length",
  "date",
  "host",
  "transfer-encoding",
  "user-agent",
];
const isNoise = (line: string) =>
  NOISE.includes(line.split(":")[0]?.toLowerCase() ?? "") ||
  /^(connection: keep-alive|accept: \*\/\*)$/i.test(line);

/**
 * Reads one direction of a connection: heads without the headers that every message carries,
 * bodies without their chunks' frames, and WebSocket frames as a line each.
 */
export const reader = (): Read => {
  let rest = Buffer.alloc(0);
  let part = head;
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    let text = "";
    for (let next = part(rest); next; next = part(rest)) {
      text += next.text;
      rest = rest.subarray(next.length);
      part = next.then;
    }
    return text;
  };
};

/** What stands at the beginning of the bytes: so many of them, as text, and what follows. */
interface Part {
  readonly length: number;
  readonly text: string;
  readonly then: (rest: Buffer) => Part | undefined;
}

const head = (rest: Buffer): Part | undefined => {
  const end = rest.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const lines = rest.toString("latin1", 0, end).split("\r\n");
  const header = (name: string) =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const length = Number(header("content-length") ?? 0);
  const chunks = header("transfer-encoding") === "chunked";
  const then = header("upgrade") ? frame : chunks ? chunk : length > 0 ? body(length) : head;
  const text = `${lines.filter((line) => !isNoise(line)).join("\n")}\n`;
  return { length: end + 4, text: then === head || then === frame ? text : `${text}\n`, then };
};

const body =
  (length: number) =>
  (rest: Buffer): Part | undefined =>
    rest.length < length
      ? undefined
      : { length, text: `${rest.toString("utf8", 0, length)}\n`, then: head };

const chunk = (rest: Buffer): Part | undefined => {
  const start = rest.indexOf("\r\n") + 2;
  const length = Number.parseInt(rest.toString("latin1", 0, start), 16);
  const end = start + length;
  if (start < 2 || rest.length < end + 2) return undefined;
  const text = rest.toString("utf8", start, end);
  return { length: end + 2, text, then: length > 0 ? chunk : head };
};

const OPCODES: Record<number, string> = {
  1: "text",
  2: "binary",
  8: "close",
  9: "ping",
  10: "pong",
};

// [RFC 6455, section 5.2]
const frame = (rest: Buffer): Part | undefined => {
  if (rest.length < 2) return undefined;
  const short = rest.readUInt8(1) & 0x7f;
  const sizeBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  const maskBytes = rest.readUInt8(1) & 0x80 ? 4 : 0;
  const start = 2 + sizeBytes + maskBytes;
  if (rest.length < start) return undefined;
  const length =
    sizeBytes === 0
      ? short
      : sizeBytes === 2
        ? rest.readUInt16BE(2)
        : Number(rest.readBigUInt64BE(2));
  if (rest.length < start + length) return undefined;
  const mask = rest.subarray(start - maskBytes, start);
  const payload = rest.subarray(start, start + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  const code = rest.readUInt8(0) & 0x0f;
  const said = Buffer.from(payload);
  const text =
    code === 8 && length > 1
      ? `${said.readUInt16BE(0)} ${said.toString("utf8", 2)}`
      : said.toString();
  return {
    length: start + length,
    text: `${`${OPCODES[code] ?? code} ${text}`.trim()}\n`,
    then: frame,
  };
};
