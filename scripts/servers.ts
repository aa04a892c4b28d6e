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

/** Where `bun start` writes down what it runs, unless `TIDINGS_SERVERS` names another file. */
export const serversFile =
  process.env.TIDINGS_SERVERS ?? resolve(import.meta.dir, "../.tidings/servers.json");

/** Where `bun start` puts the servers: on the ports from 3001 on, in reading order. */
export const defaultServers: readonly RunningServer[] = techniques.map(({ name, pair }, index) => ({
  name,
  url: `http://127.0.0.1:${3001 + index}`,
  publish: pair?.client !== name,
}));

/** The servers that `bun start` runs; when it has left no word, those that answer on its ports. */
export const runningServers = async (): Promise<readonly RunningServer[]> => {
  const word: { servers: RunningServer[] } | undefined = await Bun.file(serversFile)
    .json()
    .catch(() => undefined);
  if (word) return word.servers;
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
