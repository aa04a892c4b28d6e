// `bun run webhook verify`: whether a delivery is genuine, and if not, what may be wrong.
import { nearMiss, schemes } from "../../packages/webhook-consumer/src/verify.ts";
import { fail, failToRead, numberOption, readArgs } from "../cli.ts";
import { nowS, readBody, schemeOption, secretsOption, shorten } from "./common.ts";
import { guess } from "./guess.ts";

const usage = `usage: bun run webhook verify --secret S -H 'NAME: VALUE' … [BODY | @file | -]
  says whether a delivery is genuine (exit code 0 or 1), and if not, what may be
  wrong; without BODY: what comes in on stdin, byte for byte
  --scheme NAME    standard, github or stripe; default: standard
  --secret S       what may have signed; several are tried
  -H, --header H   a header of the delivery, as it came; one -H for each
  --now N          judges as if it were so many seconds since 1970`;

const SHOWN = 2_000;

export const verify = async (args: string[]) => {
  const { values, positionals } = readArgs(
    usage,
    {
      scheme: { type: "string", default: "standard" },
      secret: { type: "string", multiple: true, default: [] },
      header: { type: "string", short: "H", multiple: true, default: [] },
      now: { type: "string" },
    },
    args,
  );
  const scheme = schemeOption(values.scheme);
  const secrets = secretsOption("--secret", scheme, values.secret);
  const headers = readHeaders(values.header);
  const [given = "-", ...rest] = positionals;
  if (rest.length > 0) failToRead("verify takes one BODY; quote it for your shell");
  const now =
    values.now === undefined
      ? nowS()
      : numberOption("--now", values.now, { min: 0, max: 10 ** 12 - 1 });
  const body = await readBody(given);

  const verdict = schemes[scheme].verify(headers, body, secrets, now * 1000);
  const { before, ageS, secret, refused } = verdict;
  const say = (name: string, text: string) => console.log(`  ${name.padEnd(13)}${text}`);
  console.log(refused ? `refused: ${refused.detail}` : `accepted: ${scheme}`);
  if (before !== undefined) {
    const signed = Buffer.concat([Buffer.from(before), body]);
    say("signed bytes", `${shorten(escape(signed), SHOWN)} (${signed.length} bytes)`);
  }
  for (const signature of verdict.given ?? []) say("given", shorten(signature, SHOWN));
  verdict.expected?.forEach((signature, index) => say(`secret ${index + 1}`, `makes ${signature}`));
  if (before !== undefined)
    say(
      "matches",
      secret === undefined ? "no secret" : `secret ${secret + 1} of ${secrets.length}`,
    );
  if (ageS !== undefined) say("clock", age(ageS));
  if (secret === undefined)
    for (const hint of [
      ...explainBody(nearMiss(scheme, headers, body, secrets, now * 1000)),
      ...guess(scheme, headers, body, secrets),
    ])
      say("hint", hint);
  process.exitCode = refused ? 1 : 0;
};

const explainBody = (change: string | undefined) =>
  change === undefined ? [] : [`${change} would be accepted: sign and verify the same bytes`];

const readHeaders = (lines: readonly string[]): Headers => {
  const headers = new Headers();
  for (const line of lines)
    try {
      const [, name = "", value = ""] = /^([^:]+):(.*)$/.exec(line) ?? [];
      headers.append(name, value.trim());
    } catch {
      fail(`--header must be 'NAME: VALUE', not ${JSON.stringify(line)}`);
    }
  return headers;
};

/** Bytes between backticks, with everything escaped that cannot be seen. */
const escape = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes).toString();
  // What is not UTF-8 is shown byte by byte.
  const shown = Buffer.from(text).equals(bytes) ? text : Buffer.from(bytes).toString("latin1");
  const escaped = shown
    .replace(/[\\`]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replace(shown === text ? HIDDEN : /[^\x20-\x7e]/g, hex);
  return `\`${escaped}\``;
};
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

const hex = (character: string) => {
  const code = character.codePointAt(0) ?? 0;
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
};

const age = (seconds: number): string => {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= 2 * size) ?? ["s", 1];
  const amount = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
  return seconds < 0 ? `signed ${amount} ahead of now` : `signed ${amount} ago`;
};
const UNITS: readonly [unit: string, seconds: number][] = [
  ["days", 86_400],
  ["h", 3_600],
  ["min", 60],
];
