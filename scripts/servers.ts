import { resolve } from "node:path";
import { techniques } from "./techniques.ts";

/** A server that runs on this machine. */
export interface RunningServer {
  /** Its technique. */
  readonly name: string;
  readonly url: string;
  /** Whether sources publish to it. The webhook consumer gets its events from the provider. */
  readonly publish: boolean;
}

const ownFile = process.env.TIDINGS_SERVERS || undefined;

/** Where `bun start` writes down what it runs, unless `TIDINGS_SERVERS` names another file. */
export const serversFile = ownFile ?? resolve(import.meta.dir, "../.tidings/servers.json");

// What has our own number is not another process: a container counts from the start again.
const isAlive = (pid: number): boolean => {
  try {
    return pid !== process.pid && process.kill(pid, 0);
  } catch (error) {
    // It may be somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
};

interface Word {
  /** The process that runs the servers. */
  readonly pid: number;
  readonly servers: readonly RunningServer[];
}

const isWord = (value: unknown): value is Word =>
  typeof value === "object" &&
  value !== null &&
  "pid" in value &&
  Number.isInteger(value.pid) &&
  "servers" in value &&
  Array.isArray(value.servers);

/** What `bun start` has left in the file. A runner that was killed leaves it, too: that is none. */
export const leftWord = async (): Promise<Word | undefined> => {
  const word: unknown = await Bun.file(serversFile)
    .json()
    .catch(() => undefined);
  return isWord(word) && isAlive(word.pid) ? word : undefined;
};

/** Where `bun start` puts the servers: on the ports from 3001 on, in reading order. */
export const defaultServers: readonly RunningServer[] = techniques.map(({ name, pair }, index) => ({
  name,
  url: `http://127.0.0.1:${3001 + index}`,
  publish: pair?.client !== name,
}));

/**
 * The servers that `bun start` runs; when it has left no word, and no file was named to look into,
 * those that answer on its ports.
 */
export const runningServers = async (): Promise<readonly RunningServer[]> => {
  const word = await leftWord();
  if (word) return word.servers;
  if (ownFile) return [];
  const answers = await Promise.all(
    defaultServers.map(({ url }) =>
      fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) }).then(
        ({ ok }) => ok,
        () => false,
      ),
    ),
  );
  return defaultServers.filter((_, index) => answers[index]);
};
