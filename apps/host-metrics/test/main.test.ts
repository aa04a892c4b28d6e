import { expect, test } from "bun:test";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../../..");

/** Runs a script of ours. Disposing of it ends it. */
const run = (script: string, ...args: string[]) => {
  const child = Bun.spawn([process.execPath, "--no-orphans", join(root, script), ...args], {
    env: { ...process.env, TIDINGS_TOKEN: "secret-of-this-test" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    child,
    out: linesOf(child.stdout),
    err: linesOf(child.stderr),
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
};

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const utf8 = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + utf8.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

const startServer = async (port = "0") => {
  const server = run("scripts/serve.ts", "sse", "--port", port);
  const { value } = await server.out.next();
  return { ...server, url: value?.replace("ready ", "") ?? "" };
};

/** The next events of a server, as they come. */
async function* follow(url: string) {
  const response = await fetch(`${url}/events?after=0-0`, {
    headers: { authorization: "Bearer secret-of-this-test" },
  });
  if (!response.body) throw new Error("There is no stream.");
  for await (const line of linesOf(response.body))
    if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length));
}

test("metrics arrive at a real server, an outage is survived, and SIGTERM ends it with 0", async () => {
  const first = await startServer();
  await using metrics = run(
    "apps/host-metrics/src/main.ts",
    ...["--to", first.url, "--interval-ms", "20"],
  );
  let events = 0;
  for await (const event of follow(first.url)) {
    expect(event).toMatchObject({
      type: "host.metrics",
      data: { host: expect.any(String), memoryTotalBytes: expect.any(Number) },
    });
    if (++events === 3) break;
  }
  await first[Symbol.asyncDispose]();
  expect((await metrics.err.next()).value).toStartWith(`host-metrics: ${first.url} is away: `);

  await using second = await startServer(new URL(first.url).port);
  expect((await metrics.err.next()).value).toStartWith(`host-metrics: ${first.url} is back after `);
  for await (const event of follow(second.url)) {
    expect(event.type).toBe("host.metrics");
    break;
  }

  metrics.child.kill("SIGTERM");
  expect(await metrics.child.exited).toBe(0);
});

test.each([
  [[], "--to is missing"],
  [["--to", "127.0.0.1:3003"], "--to must be a server's URL"],
  [["--to", "http://127.0.0.1:1", "--interval-ms", "0"], "--interval-ms must be a whole number"],
  [["--too", "x"], "Unknown option '--too'"],
  [["http://127.0.0.1:3003"], 'what is "http://127.0.0.1:3003"?'],
])("%j is one clear line and not a stack", async (args, problem) => {
  await using wrong = run("apps/host-metrics/src/main.ts", ...args);
  expect(await wrong.child.exited).toBe(2);
  const lines = await Array.fromAsync(wrong.err);
  expect(lines[0]).toStartWith(`tidings: ${problem}`);
  // The usage follows, or nothing.
  expect(lines[1] ?? "usage: ").toStartWith("usage: ");
});
