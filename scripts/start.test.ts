import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./launch.ts";
import type { RunningServer } from "./servers.ts";
import { clientOf, techniques } from "./techniques.ts";
import { command, output } from "./testing.ts";

setDefaultTimeout(60_000);

/** A runner on free ports. Disposing of it ends it. */
const start = async (...args: string[]) => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-start-"));
  const file = join(folder, "servers.json");
  const runner = command("start", ["--port-base", "0", ...args], {
    TIDINGS_SERVERS: file,
    NO_COLOR: "1",
  });
  const servers = async (): Promise<RunningServer[]> => (await Bun.file(file).json()).servers;
  return {
    ...runner,
    file,
    servers,
    /** Waits for the table. */
    up: () => runner.line((line) => line.includes("Ctrl-C ends everything")),
    urlOf: async (name: string) =>
      (await servers()).find((server) => server.name === name)?.url ?? "",
    /** The processes that it has started, the newest last. */
    pids: (name = "\\S+") =>
      runner.lines.stdout.flatMap((line) => {
        const [, pid] = new RegExp(`^${name} +started as process (\\d+)$`).exec(line) ?? [];
        return pid === undefined ? [] : [Number(pid)];
      }),
    async [Symbol.asyncDispose]() {
      await runner.stop();
      await rm(folder, { recursive: true });
    },
  };
};

/** Resolves when none of the processes runs any more; a zombie doesn't. */
const gone = async (pids: readonly number[]) => {
  const runs = async (pid: number) => {
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
    const stat = Bun.file(`/proc/${pid}/stat`);
    return !/\) Z /.test(await stat.text().catch(() => ""));
  };
  for (const pid of pids) while (await runs(pid)) await Bun.sleep(10);
};

test("everything gets ready, and one table says where", async () => {
  await using runner = await start();
  await runner.up();
  const servers = await runner.servers();

  expect(servers.map(({ name }) => name)).toEqual(techniques.map(({ name }) => name));
  for (const { name, url, publish } of servers) {
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(publish).toBe(name !== "webhook-consumer");
    const { title } = techniques.find((technique) => technique.name === name) ?? {};
    expect(runner.lines.stdout).toContainEqual(
      expect.stringMatching(new RegExp(`^  ${name} +${title} +${url}$`)),
    );
  }
  const page = await runner.line((line) => line.startsWith("  playground"));
  expect(await (await fetch(page.split(" ").at(-1) ?? "")).text()).toContain("<title>Tidings");
  const { stdout } = runner.lines;
  const end = stdout.findIndex((line) => line.includes("Ctrl-C ends everything"));
  const table = stdout.slice(stdout.indexOf(page), end + 1);
  expect(table).toHaveLength(1 + techniques.length + 3);
  expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(80);
});

test("the sources publish to the servers, and the page may subscribe to them", async () => {
  await using runner = await start("sse");
  await runner.up();
  const url = await runner.urlOf("sse");
  const page = await runner.line((line) => line.startsWith("  playground"));
  const origin = (page.split(" ").at(-1) ?? "").replace("127.0.0.1", "localhost");

  const { headers } = await fetch(`${url}/status`, { headers: { origin } });
  expect(headers.get("access-control-allow-origin")).toBe(origin);
  const sse = techniques.find(({ name }) => name === "sse");
  const subscribe = sse && (await clientOf(sse));
  for await (const { type } of subscribe?.(url, { after: "0-0" }) ?? []) {
    expect(type).toBe("host.metrics");
    break;
  }
});

test("a lane that is killed starts again in its place, and says so", async () => {
  await using runner = await start("sse", "ws");
  await runner.up();
  const url = await runner.urlOf("sse");
  process.kill(runner.pids("sse")[0] ?? 0, "SIGKILL");

  await runner.line((line) => /^sse +ended with SIGKILL; starts again in 1 s$/.test(line));
  const ready = (line: string) => line.endsWith(` ready ${url}`);
  await runner.line(() => runner.lines.stdout.filter(ready).length === 2);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect(runner.pids("sse")).toHaveLength(2);
  expect(runner.pids("ws")).toHaveLength(1);
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s ends everything, open streams too",
  async (signal) => {
    await using runner = await start("sse", "ws");
    await runner.up();
    expect(existsSync(runner.file)).toBe(true);
    const stream = await fetch(`${await runner.urlOf("sse")}/events`);

    runner.kill(signal);
    expect(await runner.exited).toEqual({ code: 0, signal: null });
    await stream.text();
    expect(runner.pids()).toHaveLength(4);
    await gone(runner.pids());
    expect(existsSync(runner.file)).toBe(false);
    expect(runner.lines.stdout.join("\n")).not.toContain("ended with");
  },
);

test("a second Ctrl-C, as `bun run` sends it, cuts no clean-up short", async () => {
  await using runner = await start("sse");
  await runner.up();
  await runner.line((line) => line.startsWith("sources"));
  const [sse = 0] = runner.pids("sse");
  // A lane that takes its time keeps the runner at its end.
  process.kill(sse, "SIGSTOP");
  runner.kill("SIGINT");
  await gone(runner.pids("sources"));
  runner.kill("SIGINT");
  process.kill(sse, "SIGCONT");
  expect(await runner.exited).toEqual({ code: 0, signal: null });
  expect(existsSync(runner.file)).toBe(false);
});

test("a second runner says that there is one, and leaves it its file", async () => {
  await using runner = await start("sse");
  await runner.up();
  const word = await Bun.file(runner.file).text();
  const env = { TIDINGS_SERVERS: runner.file };
  expect(await output("start", ["--port-base", "0", "ws"], env)).toEqual({
    code: 1,
    stdout: [],
    stderr: [
      `tidings: bun start runs already: process ${runner.pid}, says ${runner.file}; end it, or name another file: TIDINGS_SERVERS=FILE bun start --port-base N`,
    ],
  });
  expect(await Bun.file(runner.file).text()).toBe(word);
});

test("a runner that is killed leaves no process, and its file is in nobody's way", async () => {
  await using runner = await start("sse", "ws");
  await runner.up();
  runner.kill("SIGKILL");
  expect(await runner.exited).toEqual({ code: null, signal: "SIGKILL" });
  expect(runner.pids()).toHaveLength(4);
  await gone(runner.pids());

  await using next = command("start", ["--port-base", "0", "sse"], {
    TIDINGS_SERVERS: runner.file,
  });
  await next.line((line) => line.includes("Ctrl-C ends everything"));
  expect(await runner.servers()).toHaveLength(1);
});

test("nor does a killed `bun start`, which runs the runner", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-start-"));
  const pids: number[] = [];
  const { promise: up, resolve } = Promise.withResolvers<void>();
  const outer = run("bun start", ["start", "--port-base", "0", "sse"], {
    env: { TIDINGS_SERVERS: join(folder, "servers.json") },
    onLine(line) {
      const [, pid] = /started as process (\d+)$/.exec(line) ?? [];
      if (pid) pids.push(Number(pid));
      if (line.includes("Ctrl-C ends everything")) resolve();
    },
  });
  await Promise.race([up, outer.exited]);
  outer.kill("SIGKILL");
  await outer.exited;
  expect(pids).toHaveLength(3);
  await gone(pids);
  await rm(folder, { recursive: true });
});

test("a taken port is named before anything is started", async () => {
  using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const index = techniques.findIndex(({ name }) => name === "sse");
  const base = `${taken.port - index - 1}`;
  expect(await output("start", ["sse", "--port-base", base])).toEqual({
    code: 1,
    stdout: [],
    stderr: [`tidings: port ${taken.port} (sse) is taken; choose others: bun start --port-base N`],
  });
});

test("an unknown technique is one line with those that there are", async () => {
  const known = techniques.map(({ name }) => name).join(", ");
  expect(await output("start", ["carrier-pigeon"])).toEqual({
    code: 2,
    stdout: [],
    stderr: [`tidings: unknown technique "carrier-pigeon"; there are ${known}`],
  });
});

test("a port base that is no port is one line", async () => {
  const { code, stderr } = await output("start", ["--port-base", "-1"]);
  expect(code).toBe(2);
  expect(stderr).toEqual([
    expect.stringMatching(
      /^tidings: Option '--port-base' argument is ambiguous\. .*[^.]; --help says more$/,
    ),
  ]);
});
