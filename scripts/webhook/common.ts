// What several of the webhook commands are told, and how they read it.
import { ask, bearerHeaders } from "@tidings/shared/client";
import { schemes, type Sender } from "../../packages/webhook-consumer/src/verify.ts";
import { fail } from "../cli.ts";
import { runningServers } from "../servers.ts";

// How long a provider may take to answer, in milliseconds.
const ANSWER_MS = 10_000;

const isSender = (name: string): name is Sender => Object.hasOwn(schemes, name);

/** What `--scheme` names. */
export const schemeOption = (name: string): Sender =>
  isSender(name)
    ? name
    : fail(`--scheme must be ${Object.keys(schemes).join(", ")}, not ${JSON.stringify(name)}`);

/** At least one secret, each of the form that its scheme wants. No complaint repeats a secret. */
export const secretsOption = (
  option: string,
  scheme: Sender,
  secrets: readonly string[],
): readonly string[] => {
  if (secrets.length === 0) fail(`${option} is missing: the secret that signs`);
  for (const secret of secrets)
    try {
      schemes[scheme].keyOf(secret);
    } catch (error) {
      fail(`${option} ${error instanceof Error ? error.message : error}`);
    }
  return secrets;
};

/** `text`, `@file`, or `-` for what comes in on stdin: the bytes, nothing added, nothing removed. */
export const readBody = async (body: string): Promise<Uint8Array> => {
  try {
    if (body === "-") return await Bun.stdin.bytes();
    if (body.startsWith("@")) return await Bun.file(body.slice(1)).bytes();
  } catch (error) {
    fail(`BODY: ${error instanceof Error ? error.message : error}`);
  }
  return Buffer.from(body);
};

export const urlOption = (name: string, url: string): string =>
  /^https?:/.test(url) && URL.canParse(url)
    ? url
    : fail(`${name} must be an http or https URL, not ${JSON.stringify(url)}`);

/** The provider that was named, or else the one that runs here. */
export const providerOption = async (url: string | undefined): Promise<string> => {
  if (url !== undefined) return urlOption("--provider", url);
  const running = (await runningServers()).find(({ name }) => name === "webhook-provider");
  return (
    running?.url ?? fail("no provider is running; `bun start`, or name one: --provider URL", 1)
  );
};

export const token = process.env.TIDINGS_TOKEN || undefined;

/** Asks a provider; its refusal is one line. */
export const askProvider = async (provider: string, path: string, body?: object) => {
  try {
    const response = await ask(new URL(path, provider.replace(/\/*$/, "/")), {
      headers: { "content-type": "application/json", ...bearerHeaders(token) },
      ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answer: unknown = response.status === 204 ? undefined : await response.json();
    return answer;
  } catch (error) {
    return fail(`${provider}: ${error instanceof Error ? error.message : error}`, 1);
  }
};

/** The list that a provider answers with under `name`. */
export const listOf = <Item>(provider: string, answer: unknown, name: string): readonly Item[] => {
  const list: unknown =
    typeof answer === "object" &&
    answer !== null &&
    Object.entries(answer).find(([key]) => key === name)?.[1];
  return Array.isArray(list) ? list : fail(`${provider} does not answer like a provider`, 1);
};

/** Bytes of somebody else's in one line: nothing in them steers the terminal. */
export const oneLine = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/\p{Cc}/gu, "\u{fffd}")
    .trim();

/** The beginning of a text. */
export const shorten = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;

/** Where `listen` listens, unless it is told otherwise. */
export const LISTEN_PORT = 4000;
export const LISTEN_URL = `http://127.0.0.1:${LISTEN_PORT}/`;

const ID_PREFIXES: Record<Sender, string> = { standard: "msg_", github: "", stripe: "evt_" };

/** A new event's id. */
export const newId = (scheme: Sender) => ID_PREFIXES[scheme] + Bun.randomUUIDv7();

/** What goes into a header: a line end in it would begin another one. */
export const headerOption = (name: string, value: string): string =>
  /^[!-~]{1,255}$/.test(value)
    ? value
    : fail(`${name} must be 1 to 255 visible characters of ASCII, not ${JSON.stringify(value)}`);

export const nowS = () => Math.floor(Date.now() / 1000);

/** `21:48:05`, by this machine's clock. */
export const clock = (ms: number) => new Date(ms).toTimeString().slice(0, 8);
