/** `up`: from the client to the server. `down`: from the server to the client. */
export type Direction = "up" | "down";

/** Something that passed the tap. */
export interface TapRecord {
  /** Milliseconds since 1970 on the monotonic clock: two of them can be subtracted. */
  readonly at: number;
  /** Which connection: 1, 2, 3 … in the order in which they reached the target. */
  readonly connection: number;
  readonly direction: Direction;
  /** What was handed on; empty when the record is a mark. */
  readonly bytes: Uint8Array;
  /**
   * What happened to the connection: it was opened, one side finished sending, one side reset it,
   * or the tap cut it.
   */
  readonly mark?: "open" | "end" | "reset" | "cut";
}

// What a record costs beside its bytes, roughly: many small ones are bounded, too.
const OVERHEAD_BYTES = 128;

/** The newest records, bounded in memory. */
export class Recorder {
  readonly records: TapRecord[] = [];
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(record: Omit<TapRecord, "at">): void {
    if (this.#maxBytes === 0) return;
    this.records.push({ at: performance.timeOrigin + performance.now(), ...record });
    this.#bytes += record.bytes.byteLength + OVERHEAD_BYTES;
    if (this.#bytes > this.#maxBytes) this.#dropOldest();
  }

  clear(): void {
    this.records.length = 0;
    this.#bytes = 0;
  }

  // A quarter at a time: moving the rest forward for each record would cost more than recording.
  #dropOldest(): void {
    let count = 0;
    while (this.#bytes > this.#maxBytes * 0.75) {
      this.#bytes -= (this.records[count++]?.bytes.byteLength ?? 0) + OVERHEAD_BYTES;
    }
    this.records.splice(0, count);
  }
}
