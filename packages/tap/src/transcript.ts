import type { TapRecord } from "./recorder.ts";

export interface TranscriptOptions {
  /** Begin a part with its milliseconds since the first record. Default false: the same text for the same bytes. */
  times?: boolean | undefined;
}

const MARKS = {
  open: { up: "-- open", down: "-- open" },
  end: { up: "-- the client has finished", down: "-- the server has finished" },
  reset: { up: "-- reset by the client", down: "-- reset by the server" },
  cut: { up: "-- cut", down: "-- cut" },
};

/**
 * What passed as text, a line for each line of it: `→` is to the server, `←` to the client. What
 * cannot be printed is escaped: `\r`, `\n`, `\t`, `\u{…}`, and `\x…` for bytes that are not UTF-8.
 * A backslash that was sent stands as it is. How TCP cut the bytes into pieces does not show.
 */
export const transcript = (
  records: readonly TapRecord[],
  { times = false }: TranscriptOptions = {},
): string => {
  const several = new Set(records.map(({ connection }) => connection)).size > 1;
  const start = records[0]?.at ?? 0;
  let text = "";
  for (const part of join(records)) {
    let margin = several ? `#${part.connection} ` : "";
    if (times) margin = `${(part.at - start).toFixed(1).padStart(9)} ms  ${margin}`;
    const lines = part.mark
      ? [MARKS[part.mark][part.direction]]
      : linesOf(part.bytes).map((line) => `${part.direction === "up" ? "→" : "←"} ${line}`);
    for (const line of lines) {
      text += `${margin}${line}\n`;
      margin = " ".repeat(margin.length);
    }
  }
  return text;
};

/** Puts together what went the same way in one go. */
const join = (records: readonly TapRecord[]): TapRecord[] => {
  const parts: (TapRecord & { chunks: Uint8Array[] })[] = [];
  for (const record of records) {
    const last = parts.at(-1);
    const same = last?.connection === record.connection && last.direction === record.direction;
    if (last && same && !last.mark && !record.mark) last.chunks.push(record.bytes);
    else parts.push({ ...record, chunks: [record.bytes] });
  }
  return parts.map(({ chunks, ...part }) => ({ ...part, bytes: Buffer.concat(chunks) }));
};

const LINE_FEED = 10;

const linesOf = (bytes: Uint8Array): string[] => {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, start) + 1 || bytes.length;
    lines.push(printable(bytes.subarray(start, end)));
    start = end;
  }
  return lines;
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SHORT: Record<string, string> = { "\r": "\\r", "\n": "\\n", "\t": "\\t" };
const hex = (code: number) => code.toString(16).padStart(2, "0");

const printable = (bytes: Uint8Array): string => {
  try {
    return utf8
      .decode(bytes)
      .replace(
        /[\p{C}\p{Zl}\p{Zp}]/gu,
        (c) => SHORT[c] ?? `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
      );
  } catch {
    const escape = (byte: number) => {
      const c = String.fromCharCode(byte);
      return SHORT[c] ?? (byte >= 32 && byte < 127 ? c : `\\x${hex(byte)}`);
    };
    return Array.from(bytes, escape).join("");
  }
};
