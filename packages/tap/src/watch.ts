import type { Direction } from "./recorder.ts";

/**
 * Looks for a place in each connection's bytes: where a text has passed, and so many bytes after
 * it. The text may be spread over any number of chunks.
 */
export class Watch {
  readonly direction: Direction;
  readonly #text: Buffer;
  readonly #bytes: number;
  readonly #places = new Map<number, { found: boolean; tail: Buffer; left: number }>();

  constructor(direction: Direction, text: string | Uint8Array, bytes = 0) {
    this.direction = direction;
    this.#text = Buffer.from(text);
    this.#bytes = bytes;
  }

  /** How many bytes of `chunk` lead up to the place; `undefined` while it lies further ahead. */
  reach(connection: number, chunk: Uint8Array): number | undefined {
    let place = this.#places.get(connection);
    if (!place) {
      place = { found: this.#text.length === 0, tail: Buffer.alloc(0), left: this.#bytes };
      this.#places.set(connection, place);
    }
    let start = 0;
    if (!place.found) {
      const searched = Buffer.concat([place.tail, chunk]);
      const index = searched.indexOf(this.#text);
      if (index < 0) {
        const kept = Math.min(searched.length, this.#text.length - 1);
        place.tail = Buffer.from(searched.subarray(searched.length - kept));
        return undefined;
      }
      start = index + this.#text.length - place.tail.length;
      place.found = true;
    }
    const end = start + place.left;
    if (end <= chunk.byteLength) return end;
    place.left = end - chunk.byteLength;
    return undefined;
  }

  forget(connection: number): void {
    this.#places.delete(connection);
  }
}
