// Starts processes and ends them: for the runner, the kit, the bench and the tests.
import { resolve } from "node:path";
import type { FeedOptions } from "@tidings/shared/server";

/** How a process ended: by its own exit code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  /** Its name; a number where it has none. */
  readonly signal: NodeJS.Signals | number | null;
}

export interface RunOptions {
  /** Environment variables beside this process's own. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Told each line that the process prints. Default: once it is ready, errors go to our own. */
  onLine?: ((line: string, stream: "stdout" | "stderr") => void) | undefined;
  /** What its command line begins with, such as `taskset -c 0`. Default: nothing. */
  prefix?: readonly string[] | undefined;
  /** Kills the process (SIGKILL) when it fires, also while it is not ready yet. Default: never. */
  signal?: AbortSignal | undefined;
}

/** A process that we started. Disposing of it stops it. */
export interface Running extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** The URL of its line `ready <url>`; rejects with what it printed when it ends without one. */
  readonly ready: Promise<string>;
  readonly exited: Promise<Exit>;
  kill(signal?: NodeJS.Signals): void;
  /** Asks it to end (SIGTERM), and kills it when it has not ended after `graceMs`. Default 12,000. */
  stop(graceMs?: number): Promise<Exit>;
}

export interface LaunchOptions extends RunOptions {
  /** Default 0: a free one. */
  port?: number | undefined;
  /** The technique's own options, as far as JSON can carry them. */
  options?: Readonly<Record<string, unknown>> | undefined;
  /** The feed's window. */
  feed?: FeedOptions | undefined;
  /** Origins of pages that may use the server. */
  allowOrigins?: readonly string[] | undefined;
  /** HTTP/2 over TLS with a self-made certificate. Default false: HTTP/1.1. */
  tls?: boolean | undefined;
}

/** A technique's server that is ready. */
export interface Launched extends Running {
  readonly url: string;
}

const root = resolve(import.meta.dir, "..");

// With so many of its last lines a failure is told.
const LAST_LINES = 20;

/** `exit code 1`, `SIGKILL`: for messages. */
export const describeExit = ({ code, signal }: Exit) => `${signal ?? `exit code ${code}`}`;

/**
 * Runs one of the house's own scripts as a process in the project's root. It dies with us, even
 * when we are killed (`--no-orphans`), and gets its signals from us only: a Ctrl-C in the
 * terminal reaches the one that knows in which order to end.
 */
export const run = (
  name: string,
  [script, ...args]: readonly [string, ...string[]],
  { env = {}, onLine, prefix = [], signal }: RunOptions = {},
): Running => {
  const child = Bun.spawn([...prefix, process.execPath, "--no-orphans", script, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
    ...(signal && { signal, killSignal: "SIGKILL" }),
  });
  const { promise: ready, resolve: becomeReady, reject: fail } = Promise.withResolvers<string>();
  // Not everybody waits for it, and a process that nobody waits for may end.
  ready.catch(() => {});

  const last: string[] = [];
  let isReady = false;
  const follow = async (stream: "stdout" | "stderr") => {
    for await (const line of lines(child[stream])) {
      last.push(line);
      if (last.length > LAST_LINES) last.shift();
      const [, url] = (stream === "stdout" && /^ready (\S+)$/.exec(line)) || [];
      isReady ||= url !== undefined;
      if (url) becomeReady(url);
      if (onLine) onLine(line, stream);
      else if (isReady && stream === "stderr") console.error(`${name}: ${line}`);
    }
  };
  const output = Promise.all([follow("stdout"), follow("stderr")]);
  const exited = child.exited.then(async (): Promise<Exit> => {
    await output;
    const exit = { code: child.exitCode, signal: child.signalCode };
    fail(new Error([`${name} ended with ${describeExit(exit)}`, ...last].join("\n")));
    return exit;
  });

  const kill = (signal: NodeJS.Signals = "SIGTERM") => child.kill(signal);
  const stop = async (graceMs = 12_000) => {
    kill();
    const timer = setTimeout(kill, graceMs, "SIGKILL");
    const exit = await exited;
    clearTimeout(timer);
    return exit;
  };
  const dispose = async () => void (await stop());
  return { name, pid: child.pid, ready, exited, kill, stop, [Symbol.asyncDispose]: dispose };
};

/** Starts a technique's server: `scripts/serve.ts` as a process of its own. */
export const serve = (
  name: string,
  { port = 0, options = {}, feed = {}, allowOrigins = [], tls, ...runOptions }: LaunchOptions = {},
): Running => {
  const json = ["--options", JSON.stringify(options), "--feed", JSON.stringify(feed)];
  const origins = allowOrigins.flatMap((origin) => ["--allow-origin", origin]);
  const secure = tls ? ["--tls"] : [];
  return run(
    name,
    ["scripts/serve.ts", name, "--port", `${port}`, ...json, ...origins, ...secure],
    runOptions,
  );
};

/** Starts a technique's server and waits until it is ready. Throws with its output if it fails. */
export const launch = async (name: string, options: LaunchOptions = {}): Promise<Launched> => {
  const server = serve(name, options);
  return { ...server, url: await server.ready };
};

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + utf8.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}
