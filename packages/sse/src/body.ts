/** An event stream's headers. */
export const headers = new Headers({
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  // Without this, nginx keeps everything back until its buffer is full, headers included. [SSE-1]
  "x-accel-buffering": "no",
});

interface BodyOptions {
  /** Somebody asks for the bytes: the first ones may be written. */
  onOpen: () => void;
  /** The network has room again, after a write that had filled it. */
  onRoom: () => void;
  /** The client is gone. */
  onLeave: () => void;
}

/**
 * An answer's body, written as things happen. It is Bun's direct stream: no queue of its own, and a
 * write that says when the network is full.
 */
export class Body {
  readonly stream: ReadableStream;
  /** Whether a write would wait: for the network, or for somebody to ask for the bytes. */
  full = true;
  readonly #onRoom: () => void;
  #out: ReadableStreamDirectController | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor({ onOpen, onRoom, onLeave }: BodyOptions) {
    this.#onRoom = onRoom;
    const pull = (out: ReadableStreamDirectController) => {
      this.#out = out;
      this.full = false;
      onOpen();
      return this.#ended.promise;
    };
    this.stream = new ReadableStream({ type: "direct", pull, cancel: onLeave });
  }

  write(bytes: Uint8Array): void {
    const written = this.#out?.write(bytes);
    this.#out?.flush();
    if (written instanceof Promise) this.#untilRoom(written);
  }

  end(): void {
    this.#ended.resolve();
  }

  async #untilRoom(written: Promise<number>): Promise<void> {
    this.full = true;
    await written;
    this.full = false;
    this.#onRoom();
  }
}
