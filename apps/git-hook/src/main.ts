// Every commit becomes an event: `bun run git-hook install | uninstall | publish [repository]`.
import { parseArgs } from "node:util";
import { readCommit, readHead } from "./commit.ts";
import { install, uninstall } from "./hook.ts";
import { publish, runningServers } from "./publish.ts";

const usage = "usage: bun run git-hook install | uninstall | publish [repository, default .]";

const fail = (error: unknown, hint?: string): never => {
  console.error(`git-hook: ${error instanceof Error ? error.message : error}`);
  if (hint) console.error(hint);
  return process.exit(2);
};

const { values, positionals } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      // The hook says what it saw: by the time we run, HEAD may have moved on.
      options: { commit: { type: "string" }, ref: { type: "string" } },
    });
  } catch (error) {
    return fail(error, usage);
  }
})();
const [command = "", repository = ".", ...rest] = positionals;

const publishCommit = async () => {
  const servers = await runningServers();
  if (servers.length === 0) {
    console.error("git-hook: no server is running; start them with `bun start`");
    process.exitCode = 1;
    return;
  }
  const head =
    values.commit !== undefined && values.ref !== undefined
      ? { commit: values.commit, ref: values.ref }
      : await readHead(repository);
  const data = await readCommit(repository, head.commit, head.ref);
  const token = process.env.TIDINGS_TOKEN || undefined;
  const tell = async ({ name, url }: { name: string; url: string }) => {
    try {
      console.log(`${name}  ${await publish(url, data, token)}`);
    } catch (error) {
      console.error(`${name}  failed: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  };
  await Promise.all(servers.map(tell));
};

try {
  if (rest.length > 0) fail(`one repository at a time, not ${rest.join(" ")} as well`, usage);
  if (command === "install") {
    const programs = { bun: process.execPath, main: import.meta.path };
    console.log(`git-hook: ${await install(repository, programs)}`);
  } else if (command === "uninstall") console.log(`git-hook: ${await uninstall(repository)}`);
  else if (command === "publish") await publishCommit();
  else
    fail(command === "" ? "say what to do" : `unknown command ${JSON.stringify(command)}`, usage);
} catch (error) {
  fail(error);
}
