// Serves the page: `bun apps/playground/src/main.ts [--port N] [--lanes JSON]`.
import { failToListen, failToRead, numberOption, onEnd, readArgs } from "../../../scripts/cli.ts";
import { runningServers, type RunningServer } from "../../../scripts/servers.ts";
import { server } from "./server.ts";

const usage = `usage: bun apps/playground/src/main.ts [--port N] [--lanes '[{"name", "url"}]']
  default: port 3000, and the servers that bun start runs`;

const { values, positionals } = readArgs(usage, {
  port: { type: "string", default: "3000" },
  lanes: { type: "string" },
});

if (positionals.length > 0) failToRead(`${positionals.join(" ")} is one too many`);

const isServers = (value: unknown): value is RunningServer[] =>
  Array.isArray(value) && value.every((s) => typeof s?.name === "string" && URL.canParse(s.url));

const parse = (json: string): readonly RunningServer[] => {
  try {
    const value: unknown = JSON.parse(json);
    if (isServers(value)) return value;
  } catch {}
  return failToRead("--lanes must be a JSON list of servers with a name and a url");
};

const port = numberOption("--port", values.port, { min: 0, max: 65_535 });
const servers = values.lanes === undefined ? await runningServers() : parse(values.lanes);
const app = server({ servers });
try {
  app.listen({ port, hostname: "127.0.0.1", reusePort: false });
} catch (error) {
  failToListen(error, port);
}
console.log(`ready ${app.server?.url.origin}`);

onEnd(async () => {
  await app.stop(true);
  process.exit(0);
});
