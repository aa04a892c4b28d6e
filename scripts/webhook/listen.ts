// `bun run webhook listen`: a receiver that shows what comes in.
import { pause } from "@tidings/shared/client";
import { Registration } from "../../packages/webhook-consumer/src/registration.ts";
import type { Sender } from "../../packages/webhook-consumer/src/verify.ts";
import { fail, failToListen, failToRead, numberOption, onEnd, readArgs } from "../cli.ts";
import { LISTEN_PORT, providerOption, secretsOption, token, urlOption } from "./common.ts";
import { receiver } from "./receiver.ts";

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
const MAX_BODY_BYTES = 2 ** 20;

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
  if (positionals.length > 0) failToRead(`listen takes options only, not ${positionals.join(" ")}`);
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

  const ending = new AbortController();
  const stdout = process.stdout;
  const show = (line: string) => {
    const { isTTY, columns } = stdout;
    stdout.write(`${isTTY ? Bun.sliceAnsi(line, 0, columns) : line}\n`);
  };
  const receive = receiver({
    secretsOf: async (sender) => {
      // A delivery may overtake the answer that brings its secret; then it waits.
      const own = sender === "standard" ? await registration?.secrets() : undefined;
      return [...secrets[sender], ...(own ?? [])];
    },
    failures,
    status,
    forward,
    verbose: values.verbose,
    show,
  });
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
  const end = async () => {
    if (ending.signal.aborted) return;
    ending.abort();
    await registration?.remove();
    process.exit(0);
  };
  onEnd(end);
  // Whoever reads us may have seen enough, as in `| head -3`; the next line then finds nobody.
  stdout.on("error", end);
  show(`listening on ${server.url.href}; Ctrl-C ends it`);
  if (!registration) return;

  const wish = { url: publicUrl ?? server.url.href, types: values.types?.split(",") };
  // Once registered, a provider may die, come back, and know us no more.
  for (let registered = false; !ending.signal.aborted; await pause(CHECK_MS, ending.signal))
    try {
      if (await registration.check(ending.signal)) continue;
      await registration.register(wish);
      show(`registered at ${provider}${registered ? " again" : ""}`);
      registered = true;
    } catch (error) {
      const problem = `${provider}: ${error instanceof Error ? error.message : error}`;
      if (!registered) fail(problem, 1);
      if (!ending.signal.aborted) console.error(`tidings: ${problem}`);
    }
};
