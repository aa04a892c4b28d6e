// Publishes one event to every running server: `bun run publish <type> <json>`.
import { isFeedEvent, type Json } from "@tidings/shared";
import { ask, bearerHeaders, Refusal } from "@tidings/shared/client";
import { checkPublish, Feed } from "@tidings/shared/server";
import { fail, failToRead, readArgs } from "./cli.ts";
import { runningServers } from "./servers.ts";
import { techniques } from "./techniques.ts";

// How long one server may take to answer, in milliseconds.
const ANSWER_MS = 10_000;

const usage = `usage: bun run publish <type> <json> [--to <technique or URL>]…
  such as: bun run publish payment.success '{"amount": 12}'
  techniques: ${techniques.map(({ name }) => name).join(", ")}`;

// A negative number is data and no option.
const said = process.argv.slice(2);
const isNumber = (arg: string) => /^-\d/.test(arg);
const args = said.includes("--")
  ? said
  : [...said.filter((arg) => !isNumber(arg)), "--", ...said.filter(isNumber)];
const { values, positionals } = readArgs(
  usage,
  { to: { type: "string", multiple: true, default: [] } },
  args,
);

const [type, json, ...rest] = positionals;
if (type === undefined || json === undefined || rest.length > 0)
  failToRead("publish takes a type and its data in JSON; quote the JSON for your shell");

const data: Json = (() => {
  try {
    return JSON.parse(json);
  } catch {
    return fail(`data: must be JSON, not ${JSON.stringify(json)}`);
  }
})();

// A feed of our own judges first, so that a mistake is one line and not one for each server.
try {
  new Feed().publish(checkPublish({ type, data }).type, data);
} catch (error) {
  fail(error);
}

const isUrl = (to: string) => /^https?:\/\//.test(to) && URL.canParse(to);
for (const to of values.to)
  if (!isUrl(to) && !techniques.some(({ name }) => name === to))
    failToRead(`--to takes a technique or a URL, not ${JSON.stringify(to)}`);

const running = await runningServers();
const targets =
  values.to.length > 0
    ? values.to.map((to) => {
        const known = running.find(({ name }) => name === to);
        return { name: to, url: isUrl(to) ? to : known?.url };
      })
    : running.filter(({ publish }) => publish);
if (targets.length === 0) fail("no server is running; start them with `bun start`", 1);

const key = crypto.randomUUID();
const width = Math.max(...targets.map(({ name }) => name.length));

// The event's id, or what went wrong.
const publishTo = async (
  url: string | undefined,
): Promise<{ id: string } | { problem: string }> => {
  if (url === undefined) return { problem: "is not running; start it with `bun start`" };
  const request = {
    method: "POST",
    body: JSON.stringify({ type, data }),
    headers: {
      "content-type": "application/json",
      "idempotency-key": key,
      ...bearerHeaders(process.env.TIDINGS_TOKEN || undefined),
    },
    signal: AbortSignal.timeout(ANSWER_MS),
  };
  try {
    const response = await ask(new URL("events", url.replace(/\/*$/, "/")), request);
    const event = await response.json();
    return isFeedEvent(event) ? event : { problem: `${url} did not answer with the event` };
  } catch (error) {
    if (error instanceof Refusal) return { problem: error.message };
    return { problem: `${url} did not answer: ${error instanceof Error ? error.message : error}` };
  }
};

const answers = await Promise.all(targets.map(({ url }) => publishTo(url)));
answers.forEach((answer, index) => {
  const label = targets[index]?.name.padEnd(width);
  if ("id" in answer) return console.log(`${label}  ${answer.id}`);
  process.exitCode = 1;
  console.error(`${label}  failed: ${answer.problem}`);
});
