// Every commit becomes an event: `bun run git-hook install | uninstall | publish <repository>`.
import { parseArgs } from "node:util";
import { readCommit, readHead } from "./commit.ts";
import { install, isVersioned, uninstall } from "./hook.ts";
import { publish, targets } from "./publish.ts";

const usage = "usage: bun run git-hook install | uninstall | publish <repository>";

// What the file system says begins with a code: `EACCES: permission denied, open '/path'`.
const plain = (text: string) => text.replace(/^[A-Z]+: ([^,]+), (\w+) ('.*')$/, "cannot $2 $3: $1");

function fail(error: unknown, cure = ""): never {
  console.error(`git-hook: ${error instanceof Error ? plain(error.message) : error}${cure}`);
  process.exit(2);
}
const HELP = "; --help says more";

const { values, positionals } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      // The hook says what it saw: by the time we run, HEAD may have moved on.
      options: {
        commit: { type: "string" },
        ref: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    return fail(error, HELP);
  }
})();
if (values.help) {
  console.log(usage);
  process.exit(0);
}

const commands = ["install", "uninstall", "publish"];
const [command, repository, ...rest] = positionals;
if (command === undefined) fail("say what to do", HELP);
if (!commands.includes(command)) fail(`unknown command ${JSON.stringify(command)}`, HELP);
// Under `bun run` the current folder is always this project, so there is no default.
if (repository === undefined) fail(`say where: ${command} takes a repository`, HELP);
if (rest.length > 0) fail(`one repository at a time, not ${rest.join(" ")} as well`, HELP);

const publishCommit = async () => {
  const servers = await targets();
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
  if (command === "install") {
    const programs = { bun: process.execPath, main: import.meta.path };
    console.log(`git-hook: ${await install(repository, programs)}`);
    if (await isVersioned(repository))
      console.error(
        "git-hook: git does not ignore this file; keep it out of your commits, since it names this machine's programs",
      );
  } else if (command === "uninstall") console.log(`git-hook: ${await uninstall(repository)}`);
  else await publishCommit();
} catch (error) {
  fail(error);
}
