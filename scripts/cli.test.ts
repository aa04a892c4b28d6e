import { expect, test } from "bun:test";
import { run } from "./launch.ts";
import { output } from "./testing.ts";

const commands = ["start", "serve", "tail", "publish", "verify", "new-technique", "soak", "bench"];
const apps = ["host-metrics", "git-hook", "playground"].map((app) => `../apps/${app}/src/main`);

test.each([...commands, ...apps])("%s --help is the usage, on stdout", async (script) => {
  for (const help of ["--help", "-h"]) {
    const { code, stdout, stderr } = await output(script, ["sse", help]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
    expect(stdout[0]).toStartWith("usage: bun ");
    expect(stdout.filter((line) => line.length > 80)).toEqual([]);
  }
});

test.each([...commands, ...apps])("%s with a wrong option is one line", async (script) => {
  expect(await output(script, ["--nonsense"])).toEqual({
    code: 2,
    stdout: [],
    stderr: [
      expect.stringMatching(
        /^(tidings|git-hook): Unknown option '--nonsense'.*; --help says more$/,
      ),
    ],
  });
});

test("a command ends once, however often it is told to", async () => {
  const said: string[] = [];
  const ready = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  const code = `
    import { onEnd } from "./scripts/cli.ts";
    onEnd(() => console.log("ending"));
    process.on("SIGUSR2", () => process.exit(0));
    setInterval(() => {}, 1_000);
    console.log("ready");`;
  await using command = run("ending", ["-e", code], {
    onLine: (line) => {
      said.push(line);
      (line === "ready" ? ready : ending).resolve();
    },
  });
  await ready.promise;
  command.kill("SIGINT");
  await ending.promise;
  command.kill("SIGINT");
  command.kill("SIGTERM");
  command.kill("SIGUSR2");
  expect(await command.exited).toEqual({ code: 0, signal: null });
  expect(said).toEqual(["ready", "ending"]);
});

test.each(["scripts/serve.ts sse", "apps/playground/src/main.ts"])(
  "a taken port is one line and exit code 1: %s",
  async (line) => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const [script = "", ...args] = line.split(" ");
    const said: string[] = [];
    const server = run(line, [script, ...args, "--port", `${taken.port}`], {
      onLine: (text) => said.push(text),
    });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(said).toEqual([`tidings: port ${taken.port} is taken; choose another with --port`]);
  },
);
