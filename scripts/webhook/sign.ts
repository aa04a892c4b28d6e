// `bun run webhook sign`: the headers for a body.
import { schemes } from "../../packages/webhook-consumer/src/verify.ts";
import { failToRead, numberOption, readArgs } from "../cli.ts";
import {
  headerOption,
  LISTEN_URL,
  newId,
  nowS,
  readBody,
  schemeOption,
  secretsOption,
  urlOption,
} from "./common.ts";

const usage = `usage: bun run webhook sign --secret S [options] [BODY | @file | -]
  prints the headers for a body, and a curl command that sends both;
  without BODY: what comes in on stdin
  --scheme NAME    standard, github or stripe; default: standard
  --secret S       what signs; twice: both sign, as during a rotation
  --id ID          of the event; default: a new one. Stripe's lies in the body
  --timestamp N    seconds since 1970; default: now. GitHub signs none
  --type TYPE      GitHub's X-GitHub-Event; default: ping
  --url URL        whom curl calls; default: ${LISTEN_URL}`;

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

export const sign = async (args: string[]) => {
  const { values, positionals } = readArgs(
    usage,
    {
      scheme: { type: "string", default: "standard" },
      secret: { type: "string", multiple: true, default: [] },
      id: { type: "string" },
      timestamp: { type: "string" },
      type: { type: "string", default: "ping" },
      url: { type: "string", default: LISTEN_URL },
    },
    args,
  );
  const scheme = schemeOption(values.scheme);
  const secrets = secretsOption("--secret", scheme, values.secret);
  const url = urlOption("--url", values.url);
  const [body = "-", ...rest] = positionals;
  if (rest.length > 0) failToRead("sign takes one BODY; quote it for your shell");
  const headers = schemes[scheme].sign(
    {
      id: headerOption("--id", values.id ?? newId(scheme)),
      type: headerOption("--type", values.type),
      timestamp:
        values.timestamp === undefined
          ? nowS()
          : numberOption("--timestamp", values.timestamp, { min: 0, max: 10 ** 12 - 1 }),
      body: await readBody(body),
    },
    secrets,
  );
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  console.log(lines.join("\n"));
  console.log(`
curl ${quote(url)} \\
${["content-type: application/json", ...lines].map((line) => `  -H ${quote(line)} \\\n`).join("")}  --data-binary ${quote(body === "-" ? "@-" : body)}`);
};
