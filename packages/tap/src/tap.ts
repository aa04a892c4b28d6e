import { connect, createServer, type Server, type Socket } from "node:net";
import { CLEAR, Pipe, type Conditions } from "./pipe.ts";
import { Recorder, type Direction, type TapRecord } from "./recorder.ts";
import { Watch } from "./watch.ts";

export interface TapOptions {
  /** Where the server is, such as `http://127.0.0.1:3001`. */
  target: string | URL;
  /** Where the tap listens, on 127.0.0.1. Default 0: a free port. */
  port?: number | undefined;
  /** Whether the bytes are kept. Default true. */
  record?: boolean | undefined;
  /** How many bytes of records are kept; the oldest go first. Default 16 MiB. */
  maxRecordBytes?: number | undefined;
}

/** Which connections a fault is for: those that stand, those that come, or both. */
export interface Scope {
  on?: "live" | "new" | "all" | undefined;
}

export interface CutOptions {
  /**
   * `reset`: both sides get an RST, and what they had not read yet may be lost with it. `close`:
   * the receiver gets every byte up to the cut, then an end that comes too early.
   */
  how?: "reset" | "close" | undefined;
}

// A URL does not spell its scheme's own port out.
const PORTS: Record<string, number> = { "http:": 80, "ws:": 80, "https:": 443, "wss:": 443 };
const portOf = (url: URL) => (url.port ? Number(url.port) : PORTS[url.protocol]);

const readTarget = (target: string | URL): { url: URL; host: string; port: number } => {
  const url = URL.parse(`${target}`);
  const port = url && portOf(url);
  if (url?.hostname && port) return { url, host: url.hostname.replace(/^\[|\]$/g, ""), port };
  throw new TypeError(
    `target: must be a URL with a host and a port, such as http://127.0.0.1:3001, not ${target}.`,
  );
};

type Happening = Omit<TapRecord, "at">;

const DIRECTIONS = ["up", "down"] as const;
const EMPTY = new Uint8Array();

/** One client's connection and the tap's own one to the target. */
interface Line {
  readonly pipes: Readonly<Record<Direction, Pipe>>;
  /** Ends it as a fault; `receiver` is who gets all the bytes when it is not a reset. */
  cut(how: "reset" | "close", receiver?: Direction): void;
  /** Hands nothing on any more. */
  end(): void;
}

/**
 * A TCP proxy between clients and a server: it records what passes and injects faults on demand.
 * It knows nothing of what it carries. A fault is for all connections of a tap; to disturb one
 * client of many, give that client a tap of its own.
 *
 * Nothing here waits for time: what a caller wants to wait for is a promise that the bytes or the
 * connections themselves resolve, and that rejects when the tap is closed first.
 */
export class Tap implements AsyncDisposable {
  /** Bytes handed on in each direction. */
  readonly bytes: Record<Direction, number> = { up: 0, down: 0 };
  /** Connections that reached the target, those of them that are open, and those turned away. */
  readonly connections = { total: 0, live: 0, refused: 0 };
  readonly #server: Server;
  readonly #recorder: Recorder;
  readonly #sockets = new Set<Socket>();
  readonly #lines = new Set<Line>();
  readonly #cuts = new Map<Watch, { how: "reset" | "close"; done: () => boolean }>();
  readonly #waits = new Set<{ check: () => void; fail: (error: Error) => void }>();
  readonly #looks = new Set<(record: Happening) => void>();
  readonly #next = { up: { ...CLEAR }, down: { ...CLEAR } };
  #target: ReturnType<typeof readTarget>;
  #port = 0;
  #refusing = false;
  #closing: Promise<void> | undefined;

  /** Use `openTap`. */
  constructor({ target, record = true, maxRecordBytes = 2 ** 24 }: TapOptions) {
    this.#target = readTarget(target);
    this.#recorder = new Recorder(record ? maxRecordBytes : 0);
    // Half-open allowed: one side's end is passed on, and the other side may go on sending.
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
    this.#server = createServer(options, (client) => this.#accept(client));
  }

  /** Use `openTap`. */
  async listen(port: number): Promise<this> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", (error) => {
      const taken = "code" in error && error.code === "EADDRINUSE";
      reject(
        taken ? new Error(`port: ${port} is taken; choose another, or 0 for a free one.`) : error,
      );
    });
    this.#server.listen(port, "127.0.0.1", resolve);
    await promise;
    const address = this.#server.address();
    if (typeof address === "object" && address) this.#port = address.port;
    return this;
  }

  get port(): number {
    return this.#port;
  }

  /** The target's URL with the tap's own address in it. */
  get url(): string {
    const url = new URL(this.#target.url);
    url.host = `127.0.0.1:${this.#port}`;
    return url.href.replace(/\/$/, "");
  }

  /** Where new connections go. */
  get target(): string {
    return this.#target.url.href.replace(/\/$/, "");
  }

  /** What passed, oldest first, as far as it is still kept. */
  get records(): readonly TapRecord[] {
    return this.#recorder.records;
  }

  /** Forgets what passed, so that `seen` speaks of what comes from now on. */
  clear(): void {
    this.#recorder.clear();
  }

  /** New connections go to another target: a server has come back on another port. */
  retarget(target: string | URL): void {
    this.#target = readTarget(target);
  }

  // Faults.

  /** Cuts every live connection, between what has passed and what has not. Default: a reset. */
  cut({ how = "reset" }: CutOptions = {}): void {
    for (const line of [...this.#lines]) line.cut(how);
  }

  /**
   * Cuts a connection at an exact place, in the middle of an event for instance: where `text` has
   * passed, counted from now on, and `bytes` more after it. Without a text the bytes count from
   * now on. The first connections to get there are cut, `times` of them (default 1; Infinity for
   * every one). Resolves when the last of these cuts was made. Default: a close, so that the
   * receiver has every byte up to the place.
   */
  cutAfter({
    text = "",
    bytes = 0,
    direction = "down",
    how = "close",
    times = 1,
  }: CutOptions & {
    text?: string | Uint8Array | undefined;
    bytes?: number | undefined;
    direction?: Direction | undefined;
    times?: number | undefined;
  }): Promise<void> {
    let left = atLeast("times", times, 1);
    const watch = new Watch(direction, text, atLeast("bytes", bytes, 0));
    this.#cuts.set(watch, { how, done: () => --left <= 0 });
    return this.until(() => left <= 0);
  }

  /** Stops reading in one direction, so that back-pressure builds up at the sender. */
  stall(direction: Direction, { on = "all" }: Scope = {}): void {
    this.#change([direction], { stalled: true }, on);
  }

  /** Ends a stall; what was held back goes on. Default: both directions. */
  resume(direction?: Direction): void {
    this.#change(direction ? [direction] : DIRECTIONS, { stalled: false }, "all");
  }

  /** Every byte arrives this many milliseconds later, in each direction; 0 ends it. */
  delay(delayMs: number, { on = "all" }: Scope = {}): void {
    this.#change(DIRECTIONS, { delayMs: atLeast("delayMs", delayMs, 0) }, on);
  }

  /** At most so many bytes a second, for each connection and direction; Infinity ends it. */
  throttle(bytesPerSecond: number, { on = "all" }: Scope = {}): void {
    this.#change(DIRECTIONS, { bytesPerSecond: atLeast("bytesPerSecond", bytesPerSecond, 1) }, on);
  }

  /**
   * The other side seems to be there and is not: whatever is sent vanishes, and neither side is
   * told of the other's end. A connection never recovers from it. Default: the live ones, so that
   * a client that notices can come back; `{ on: "new" }` is a server that accepts and is dead.
   */
  halfOpen({ on = "live" }: Scope = {}): void {
    this.#change(DIRECTIONS, { swallowed: true }, on);
  }

  /** Resets every new connection, until `accept`. */
  refuse(): void {
    this.#refusing = true;
  }

  accept(): void {
    this.#refusing = false;
  }

  /** Ends every fault, and takes planned cuts back. What half-open connections lost stays lost. */
  heal(): void {
    this.accept();
    this.#cuts.clear();
    for (const direction of DIRECTIONS) Object.assign(this.#next[direction], CLEAR);
    const { swallowed: _, ...rest } = CLEAR;
    this.#change(DIRECTIONS, rest, "live");
  }

  // Waiting.

  /** Resolves as soon as `condition` holds; it is asked again whenever anything passes the tap. */
  until(condition: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wait = {
      check: () => {
        if (!condition()) return;
        this.#waits.delete(wait);
        resolve();
      },
      fail: reject,
    };
    this.#waits.add(wait);
    wait.check();
    if (this.#closing) this.#failWaits();
    // Who doesn't wait for it doesn't want to hear of it either.
    promise.catch(() => {});
    return promise;
  }

  /** Resolves when `total` connections have reached the target since the tap was opened. */
  connected(total = 1): Promise<void> {
    return this.until(() => this.connections.total >= total);
  }

  /** Resolves when no connection is open. */
  idle(): Promise<void> {
    return this.until(() => this.connections.live === 0);
  }

  /**
   * Resolves when `text` has passed in one connection: among the records, or from now on. A
   * WebSocket's frames are masked on their way up, and a compressed body hides its text.
   */
  seen(direction: Direction, text: string | Uint8Array): Promise<void> {
    const watch = new Watch(direction, text);
    const reaches = ({ connection, bytes, ...record }: Happening) =>
      record.direction === direction && watch.reach(connection, bytes) !== undefined;
    let seen = this.records.some(reaches);
    const look = (record: Happening) => (seen ||= reaches(record));
    this.#looks.add(look);
    const done = this.until(() => seen);
    done.finally(() => this.#looks.delete(look)).catch(() => {});
    return done;
  }

  /** Stops listening and ends every connection. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const line of this.#lines) line.end();
    const closed = [...this.#sockets].map(
      (socket) => new Promise((done) => socket.once("close", done)),
    );
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([promise, ...closed]);
    this.#failWaits();
  }

  #failWaits(): void {
    for (const { fail } of this.#waits) fail(new Error("The tap was closed before it happened."));
    this.#waits.clear();
  }

  #change(
    directions: readonly Direction[],
    change: Partial<Conditions>,
    on: "live" | "new" | "all",
  ): void {
    for (const direction of directions) {
      if (on !== "live") Object.assign(this.#next[direction], change);
      if (on !== "new") for (const { pipes } of this.#lines) pipes[direction].change(change);
    }
  }

  #note(record: Happening): void {
    this.#recorder.add(record);
    for (const look of this.#looks) look(record);
    this.#check();
  }

  #check(): void {
    for (const { check } of this.#waits) check();
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #accept(client: Socket): void {
    const turnAway = () => {
      client.resetAndDestroy();
      this.connections.refused++;
      this.#check();
    };
    client.on("error", () => {});
    if (this.#refusing || this.#closing) return turnAway();
    const server = connect({
      host: this.#target.host,
      port: this.#target.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    this.#hold(client);
    this.#hold(server);
    const leave = () => server.destroy();
    client.once("close", leave);
    server.once("error", turnAway);
    server.once("connect", () => {
      client.off("close", leave);
      server.off("error", turnAway);
      this.#open(client, server);
    });
  }

  #open(client: Socket, server: Socket): void {
    const connection = ++this.connections.total;
    this.connections.live++;
    let open = 2;
    let over = false;
    const mark = (direction: Direction, mark: NonNullable<TapRecord["mark"]>) =>
      this.#note({ connection, direction, bytes: EMPTY, mark });

    const pipe = (direction: Direction, source: Socket, sink: Socket) => {
      const conditions = { ...this.#next[direction] };
      const send = (bytes: Buffer): boolean => {
        const cut = this.#reached(connection, direction, bytes);
        const sent = bytes.subarray(0, cut?.place);
        const room = sent.length === 0 || sink.write(sent);
        this.bytes[direction] += sent.length;
        if (sent.length > 0) this.#note({ connection, direction, bytes: sent });
        if (cut) line.cut(cut.how, direction);
        return room;
      };
      source.on("error", () => {});
      source.once("close", () => {
        // A side that is gone without having finished was reset: the other side learns it.
        const finished = source.readableEnded && source.writableFinished;
        if (!finished && !over && !conditions.swallowed) {
          mark(direction, "reset");
          end();
          sink.resetAndDestroy();
        }
        if (--open > 0) return;
        this.#lines.delete(line);
        this.connections.live--;
        for (const watch of this.#cuts.keys()) watch.forget(connection);
        this.#check();
      });
      return new Pipe(source, sink, conditions, send, () => mark(direction, "end"));
    };

    const pipes = { up: pipe("up", client, server), down: pipe("down", server, client) };
    const end = () => {
      over = true;
      pipes.up.stop();
      pipes.down.stop();
    };
    const cut = (how: "reset" | "close", receiver: Direction = "down") => {
      if (over) return;
      end();
      const [near, far] = receiver === "down" ? [client, server] : [server, client];
      if (how === "reset") {
        near.resetAndDestroy();
        far.resetAndDestroy();
      } else {
        near.end();
        far.destroy();
      }
      mark(receiver, "cut");
    };
    const line: Line = { pipes, cut, end };
    this.#lines.add(line);
    mark("up", "open");
  }

  /** The planned cut that these bytes reach first. */
  #reached(connection: number, direction: Direction, bytes: Buffer) {
    let first: { place: number; how: "reset" | "close"; watch: Watch } | undefined;
    for (const [watch, { how }] of this.#cuts) {
      if (watch.direction !== direction) continue;
      const place = watch.reach(connection, bytes);
      if (place !== undefined && place < (first?.place ?? Infinity)) first = { place, how, watch };
    }
    if (first && this.#cuts.get(first.watch)?.done()) this.#cuts.delete(first.watch);
    return first;
  }
}

const atLeast = (name: string, value: number, min: number): number => {
  if (value >= min) return value;
  throw new RangeError(`${name}: must be a number of at least ${min}, not ${value}.`);
};

/** Opens a tap in front of a server. Rejects when the port is taken or the target is not a URL. */
export const openTap = async (options: TapOptions): Promise<Tap> =>
  new Tap(options).listen(options.port ?? 0);
