// `bun run webhook listen`: a receiver that shows what comes in.
import { pause } from "@tidings/shared/client";
import { Registration } from "../../packages/webhook-consumer/src/registration.ts";
import { nearMiss, schemes, type Sender } from "../../packages/webhook-consumer/src/verify.ts";
import { fail, failToListen, numberOption, onEnd, readArgs } from "../cli.ts";
import {
  clock,
  LISTEN_PORT,
  oneLine,
  providerOption,
  secretsOption,
  shorten,
  token,
  urlOption,
} from "./common.ts";
import { senderOf } from "./guess.ts";

const usage = `usage: bun run webhook listen [options]
  receives deliveries on any path, verifies them, and shows each in a line;
  registers itself at the provider of bun start, and unregisters on Ctrl-C;
  with a secret it waits for whoever signs with it, and registers nowhere
  --port N           default: ${LISTEN_PORT}; 0: any free one
  --provider URL     registers there; a secret may be given as well
  --types a,b        registers for these types only; default: all
  --public-url URL   where the provider reaches us; default: what we listen on
  --secret S         a secret of Standard Webhooks; twice: both are accepted
  --github S         a secret of GitHub's
  --stripe S         a secret of Stripe's
  --forward URL      hands what is accepted to URL, and its answer back
  --fail N           answers the first N attempts of each event with a failure
  --status N         the failure's status, default 500; alone: all fail
  --verbose          shows headers and body as well`;

// How often the registration is looked after, in milliseconds.
const CHECK_MS = 5_000;
const FORWARD_MS = 10_000;
const MAX_BODY_BYTES = 2 ** 20;
// So many events are known by their ids; then the oldest are forgotten.
const MAX_KNOWN = 10_000;

export const listen = async (args: string[]) => {
  const { values, positionals } = readArgs(
    usage,
    {
      port: { type: "string", default: `${LISTEN_PORT}` },
      provider: { type: "string" },
      types: { type: "string" },
      "public-url": { type: "string" },
      secret: { type: "string", multiple: true, default: [] },
      github: { type: "string", multiple: true, default: [] },
      stripe: { type: "string", multiple: true, default: [] },
      forward: { type: "string" },
      fail: { type: "string" },
      status: { type: "string" },
      verbose: { type: "boolean", default: false },
    },
    args,
  );
  if (positionals.length > 0)
    fail(`listen takes options only, not ${positionals.join(" ")}`, usage);
  const port = numberOption("--port", values.port, { min: 0, max: 65_535 });
  const forward = values.forward === undefined ? undefined : urlOption("--forward", values.forward);
  const status = numberOption("--status", values.status ?? "500", { min: 300, max: 599 });
  const failures =
    values.fail === undefined
      ? values.status === undefined
        ? 0
        : Infinity
      : numberOption("--fail", values.fail, { min: 1, max: 1_000 });
  const secrets: Record<Sender, readonly string[]> = {
    standard: values.secret,
    github: values.github,
    stripe: values.stripe,
  };
  for (const [option, sender] of [
    ["--secret", "standard"],
    ["--github", "github"],
    ["--stripe", "stripe"],
  ] as const)
    if (secrets[sender].length > 0) secretsOption(option, sender, secrets[sender]);
  const given = Object.values(secrets).flat().length > 0;
  const registering = !given || values.provider !== undefined;
  if (!registering && (values.types ?? values["public-url"]) !== undefined)
    fail("--types and --public-url are for a registration; add --provider URL");
  const publicUrl =
    values["public-url"] === undefined
      ? undefined
      : urlOption("--public-url", values["public-url"]);
  const provider = registering ? await providerOption(values.provider) : undefined;
  const registration = provider === undefined ? undefined : new Registration(provider, token);

  /** How often an event was attempted, and whether an attempt was answered with a 2xx. */
  const known = new Map<string, { attempts: number; accepted: boolean }>();

  const receive = async (request: Request): Promise<Response> => {
    const body = await request.bytes();
    const { headers } = request;
    const sender = senderOf(headers);
    const { id, type, text } = describe(sender, headers, body);
    const event = known.get(id) ?? { attempts: 0, accepted: false };
    known.delete(id);
    if (id !== "") known.set(id, event);
    for (const oldest of known.keys()) if (known.size > MAX_KNOWN) known.delete(oldest);

    const refusal = await judge(sender, headers, body);
    const attempt = refusal === undefined ? ++event.attempts : 0;
    const words = [
      refusal ?? "accepted",
      ...(attempt > 1 ? [`attempt ${attempt}`] : []),
      ...(attempt > 1 && event.accepted ? ["duplicate"] : []),
    ];
    let answer = new Response(`${refusal ?? "accepted"}\n`, {
      status: refusal === undefined ? 200 : 401,
    });
    if (refusal === undefined && attempt <= failures) {
      answer = new Response("failed on purpose\n", { status });
      words.push("failed on purpose");
    } else if (refusal === undefined && forward !== undefined)
      answer = await handOn(forward, headers, body);
    event.accepted ||= refusal === undefined && answer.ok;
    const columns = [
      clock(Date.now()),
      sender ?? "unsigned",
      id,
      type,
      words.join(", "),
      `→ ${answer.status}`,
    ];
    show([...columns.filter(Boolean).map(oneLine), text].join("  "));
    if (values.verbose) {
      for (const [name, value] of headers) show(`  ${name}: ${value}`);
      show(
        `\n${new TextDecoder()
          .decode(body)
          .replace(/[^\P{Cc}\n\t]/gu, "\u{fffd}")
          .replace(/^/gm, "  ")}\n`,
      );
    }
    return answer;
  };

  /** Why a delivery is not accepted; undefined: it is. */
  const judge = async (sender: Sender | undefined, headers: Headers, body: Uint8Array) => {
    if (sender === undefined) return "refused: there is no signature that is known here";
    // A delivery may overtake the answer that brings its secret; then it waits.
    const own = sender === "standard" ? ((await registration?.secrets()) ?? []) : [];
    const accepted = [...secrets[sender], ...own];
    const option = sender === "standard" ? "--secret" : `--${sender}`;
    if (accepted.length === 0) return `refused: no secret for it; give one with ${option}`;
    const { refused } = schemes[sender].verify(headers, body, accepted);
    if (!refused) return undefined;
    const near =
      refused.reason === "mismatch" ? nearMiss(sender, headers, body, accepted) : undefined;
    return `refused: ${refused.detail}${near === undefined ? "" : ` It is that of ${near}.`}`;
  };

  const server = (() => {
    try {
      return Bun.serve({
        port,
        hostname: "127.0.0.1",
        maxRequestBodySize: MAX_BODY_BYTES,
        routes: { "/*": { POST: receive } },
        fetch: () =>
          new Response("deliveries come with POST\n", { status: 405, headers: { allow: "POST" } }),
      });
    } catch (error) {
      return failToListen(error, port);
    }
  })();
  const ending = new AbortController();
  onEnd(async () => {
    ending.abort();
    await registration?.remove();
    await server.stop(true);
    process.exit(0);
  });
  console.log(`listening on ${server.url.href}; Ctrl-C ends it`);
  if (!registration) return;

  const wish = { url: publicUrl ?? server.url.href, types: values.types?.split(",") };
  // Once registered, a provider may die, come back, and know us no more.
  for (let registered = false; !ending.signal.aborted; await pause(CHECK_MS, ending.signal))
    try {
      if (await registration.check(ending.signal)) continue;
      await registration.register(wish);
      console.log(`registered at ${provider}${registered ? " again" : ""}`);
      registered = true;
    } catch (error) {
      const problem = `${provider}: ${error instanceof Error ? error.message : error}`;
      if (!registered) fail(problem, undefined, 1);
      if (!ending.signal.aborted) console.error(`tidings: ${problem}`);
    }
};

const handOn = async (url: string, headers: Headers, body: Uint8Array): Promise<Response> => {
  const forwarded = new Headers(headers);
  for (const name of ["host", "content-length", "connection"]) forwarded.delete(name);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: forwarded,
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(FORWARD_MS),
    });
    return new Response(await response.bytes(), { status: response.status });
  } catch (error) {
    const why = `${url} did not answer: ${error instanceof Error ? error.message : error}`;
    console.error(`tidings: ${why}`);
    return new Response(`${why}\n`, { status: 502 });
  }
};

/** What a delivery says of itself, as far as it can be read; nothing here is verified yet. */
const describe = (sender: Sender | undefined, headers: Headers, body: Uint8Array) => {
  const text = new TextDecoder().decode(body);
  const inBody: { id?: unknown; type?: unknown } = (() => {
    try {
      return Object(JSON.parse(text));
    } catch {
      return {};
    }
  })();
  const id = headers.get("webhook-id") ?? headers.get("x-github-delivery") ?? inBody.id;
  const type = sender === "github" ? headers.get("x-github-event") : inBody.type;
  return { id: asText(id), type: asText(type), text: shorten(oneLine(text), 200) };
};

const asText = (value: unknown): string => (typeof value === "string" ? value : "");

const show = (line: string) => {
  const { isTTY, columns } = process.stdout;
  console.log(
    isTTY
      ? line
          .split("\n")
          .map((part) => Bun.sliceAnsi(part, 0, columns))
          .join("\n")
      : line,
  );
};
