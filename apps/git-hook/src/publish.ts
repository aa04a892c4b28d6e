import { resolve } from "node:path";
import { isFeedEvent } from "@tidings/shared";
import { ask, bearerHeaders } from "@tidings/shared/client";
import type { Commit } from "./commit.ts";

/** Where `bun start` writes down what it runs. */
const SERVERS_FILE = resolve(import.meta.dir, "../../../.tidings/servers.json");

// How long a server may take to answer, in milliseconds.
const ANSWER_MS = 5_000;

interface Server {
  readonly name: string;
  readonly url: string;
}

const isServer = (value: unknown): value is Server =>
  typeof value === "object" &&
  value !== null &&
  "name" in value &&
  typeof value.name === "string" &&
  "url" in value &&
  typeof value.url === "string" &&
  // The webhook consumer, for one, is fed by the provider.
  !("publish" in value && value.publish === false);

/** The servers to publish to: those of `TIDINGS_URLS`, else those that `bun start` runs. */
export const runningServers = async (env = process.env): Promise<readonly Server[]> => {
  if (env.TIDINGS_URLS !== undefined)
    return env.TIDINGS_URLS.split(",")
      .map((url) => url.trim())
      .filter((url) => url !== "")
      .map((url) => ({ name: url, url }));
  const word: unknown = await Bun.file(env.TIDINGS_SERVERS ?? SERVERS_FILE)
    .json()
    .catch(() => undefined);
  if (typeof word !== "object" || word === null || !("servers" in word)) return [];
  return Array.isArray(word.servers) ? word.servers.filter(isServer) : [];
};

/** Publishes a commit to one server. Returns the event's id; throws what went wrong. */
export const publish = async (url: string, data: Commit, token?: string): Promise<string> => {
  const response = await ask(new URL("events", url.replace(/\/*$/, "/")), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      // The same commit again is the same event.
      "idempotency-key": data.commit,
      ...bearerHeaders(token),
    },
    body: JSON.stringify({ type: "git.commit", data }),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const event: unknown = await response.json();
  if (!isFeedEvent(event)) throw new Error("the server did not answer with the event");
  return event.id;
};
