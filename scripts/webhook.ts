// What people need who build or debug webhooks: `bun run webhook <command>`. Each command is a file
// of scripts/webhook.
import { failToRead } from "./cli.ts";
import { endpoints } from "./webhook/endpoints.ts";
import { listen } from "./webhook/listen.ts";
import { replay } from "./webhook/replay.ts";
import { send } from "./webhook/send.ts";
import { sign } from "./webhook/sign.ts";
import { verify } from "./webhook/verify.ts";

const usage = `usage: bun run webhook <command> …
  listen      receives deliveries, verifies them, and shows each in a line
  sign        prints the headers for a body, and a curl command that sends it
  verify      says whether a delivery is genuine, and if not, what may be wrong
  send        signs a body and posts it, once
  endpoints   lists a provider's endpoints, or one's deliveries and attempts
  replay      has a provider deliver again: one event, or all after a cursor
  bun run webhook <command> --help says more.`;

const commands: Readonly<Record<string, (args: string[]) => unknown>> = {
  listen,
  sign,
  verify,
  send,
  endpoints,
  replay,
};

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (command) await command(args);
else if (name === "--help" || name === "-h") console.log(usage);
else failToRead(name === "" ? "webhook takes a command" : `unknown command ${name}`);
