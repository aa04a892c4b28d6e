// `bun run webhook send`: signs a body and posts it, once.
import { isEventType } from "@tidings/shared";
import { schemes, type Sender } from "../../packages/webhook-consumer/src/verify.ts";
import { fail, failToRead, readArgs } from "../cli.ts";
import {
  headerOption,
  newId,
  nowS,
  oneLine,
  readBody,
  schemeOption,
  secretsOption,
  shorten,
  urlOption,
} from "./common.ts";

const usage = `usage: bun run webhook send URL --secret S [options] [BODY | @file | -]
  signs BODY and posts it to URL, once; exit code 1 when the answer is no 2xx;
  without BODY: a small event of that scheme
  --scheme NAME    standard, github or stripe; default: standard
  --secret S       what signs; twice: both sign, as during a rotation
  --id ID          of the event; default: a new one. Stripe's lies in the body
  --type TYPE      of the small event; GitHub's X-GitHub-Event; default: ping`;

// As long as a provider would wait.
const ANSWER_MS = 15_000;
const SHOWN = 1_000;

const samples: Record<Sender, (event: { id: string; type: string; timestamp: number }) => object> =
  {
    standard: ({ type, timestamp }) => ({
      type,
      timestamp: new Date(timestamp * 1000).toISOString(),
      data: {},
    }),
    github: () => ({ zen: "Less is more." }),
    stripe: ({ id, type, timestamp }) => ({ id, type, created: timestamp, data: { object: {} } }),
  };

export const send = async (args: string[]) => {
  const { values, positionals } = readArgs(
    usage,
    {
      scheme: { type: "string", default: "standard" },
      secret: { type: "string", multiple: true, default: [] },
      id: { type: "string" },
      type: { type: "string" },
    },
    args,
  );
  const [to, given, ...rest] = positionals;
  if (to === undefined || rest.length > 0) failToRead("send takes a URL and at most one BODY");
  const url = urlOption("URL", to);
  const scheme = schemeOption(values.scheme);
  const secrets = secretsOption("--secret", scheme, values.secret);
  const id = headerOption("--id", values.id ?? newId(scheme));
  const type = headerOption("--type", values.type ?? "ping");
  if (given !== undefined && values.type !== undefined && scheme !== "github")
    fail("--type is for the small event; BODY has its own, so leave one of them out");
  if (scheme !== "github" && !isEventType(type))
    fail(`--type must be lower-case words joined by dots, not ${JSON.stringify(type)}`);
  const timestamp = nowS();
  const body =
    given === undefined
      ? Buffer.from(JSON.stringify(samples[scheme]({ id, type, timestamp })))
      : await readBody(given);
  const headers = schemes[scheme].sign({ id, type, timestamp, body }, secrets);

  const begun = performance.now();
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      // A redirect is an answer, not an order.
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answer = oneLine(await response.text());
    const { status, statusText } = response;
    const ms = Math.round(performance.now() - begun);
    console.log(`${[status, statusText].join(" ").trim()} in ${ms} ms`);
    if (answer !== "") console.log(shorten(answer, SHOWN));
    process.exitCode = response.ok ? 0 : 1;
  } catch (error) {
    fail(`${url} did not answer: ${error instanceof Error ? error.message : error}`, 1);
  }
};
