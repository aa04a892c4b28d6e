import { isFeedEvent } from "@tidings/shared";
import { ask, bearerHeaders } from "@tidings/shared/client";
import { runningServers } from "../../../scripts/servers.ts";
import type { Commit } from "./commit.ts";

// How long a server may take to answer, in milliseconds.
const ANSWER_MS = 5_000;

/** The servers to publish to: those of `TIDINGS_URLS`, else those that `bun start` runs. */
export const targets = async (): Promise<readonly { name: string; url: string }[]> => {
  const urls = process.env.TIDINGS_URLS?.split(",").map((url) => url.trim());
  if (urls) return urls.filter((url) => url !== "").map((url) => ({ name: url, url }));
  // The webhook consumer, for one, is fed by the provider.
  return (await runningServers()).filter(({ publish }) => publish);
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
