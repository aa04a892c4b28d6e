import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, type Launched } from "./launch.ts";
import type { RunningServer } from "./servers.ts";
import { output } from "./testing.ts";

let server: Launched;
let folder: string;
beforeAll(async () => {
  server = await launch("sse");
  folder = await mkdtemp(join(tmpdir(), "tidings-publish-"));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** The list that `bun start` would have written: we are the runner. */
const servers = async (...list: RunningServer[]) => {
  const file = join(folder, `${crypto.randomUUID()}.json`);
  await Bun.write(file, JSON.stringify({ pid: process.pid, servers: list }));
  return { TIDINGS_SERVERS: file };
};
const status = async () => {
  const response = await fetch(`${server.url}/status`);
  const { newest, published }: { newest: string; published: number } = JSON.parse(
    await response.text(),
  );
  return { newest, published };
};

test("publishes to every running server that sources publish to, and prints the ids", async () => {
  const env = await servers(
    { name: "sse", url: server.url, publish: true },
    { name: "webhook-consumer", url: "http://127.0.0.1:1", publish: false },
  );
  const { code, stdout, stderr } = await output("publish", ["order.paid", '{"amount":1}'], env);
  const { newest, published } = await status();
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: [`sse  ${newest}`], stderr: [] });
  expect(published).toBe(1);
});

test("a server that does not answer fails alone, in one line", async () => {
  const env = await servers(
    { name: "sse", url: server.url, publish: true },
    { name: "ws", url: "http://127.0.0.1:1", publish: true },
  );
  const before = (await status()).published;
  const { code, stdout, stderr } = await output("publish", ["a", "1"], env);
  expect(code).toBe(1);
  expect(stdout).toEqual([`sse  ${(await status()).newest}`]);
  expect(stderr).toEqual([
    expect.stringMatching(/^ws   failed: http:\/\/127.0.0.1:1 did not answer/),
  ]);
  expect((await status()).published).toBe(before + 1);
});

test("--to picks by technique or URL; a technique that is not running fails", async () => {
  const env = await servers({ name: "sse", url: "http://127.0.0.1:1", publish: true });
  const to = await output("publish", ["a", "1", "--to", server.url], env);
  expect(to).toEqual({
    code: 0,
    stdout: [`${server.url}  ${(await status()).newest}`],
    stderr: [],
  });
  const missing = await output("publish", ["a", "1", "--to", "short-poll"], env);
  expect(missing).toEqual({
    code: 1,
    stdout: [],
    stderr: ["short-poll  failed: is not running; start it with `bun start`"],
  });
});

test("the token comes from TIDINGS_TOKEN, and a refusal is the problem's detail", async () => {
  await using guarded = await launch("sse", { env: { TIDINGS_TOKEN: "sesame" } });
  const args = ["a", "1", "--to", guarded.url];
  expect((await output("publish", args, { TIDINGS_TOKEN: "sesame" })).code).toBe(0);
  const refused = await output("publish", args);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toEqual([expect.stringContaining("failed: authorization: send")]);
});

test("no running server is one line", async () => {
  const { code, stderr } = await output("publish", ["a", "1"], await servers());
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: ["tidings: no server is running; start them with `bun start`"],
  });
});

test("what a killed runner has left is no running server", async () => {
  const { pid, exited } = Bun.spawn([process.execPath, "--version"], { stdout: "ignore" });
  await exited;
  const TIDINGS_SERVERS = join(folder, "left.json");
  const list = [{ name: "sse", url: server.url, publish: true }];
  await Bun.write(TIDINGS_SERVERS, JSON.stringify({ pid, servers: list }));
  expect(await output("publish", ["a", "1"], { TIDINGS_SERVERS })).toEqual({
    code: 1,
    stdout: [],
    stderr: ["tidings: no server is running; start them with `bun start`"],
  });
});

test("a negative number is data and no option", async () => {
  const { code } = await output("publish", ["a", "-1", "--to", server.url]);
  expect(code).toBe(0);
  const { newest } = await status();
  const events = await fetch(`${server.url}/events?after=0-0`);
  for await (const chunk of events.body ?? []) {
    const text = new TextDecoder().decode(chunk);
    if (!text.includes(newest)) continue;
    expect(text).toContain('"data":-1');
    break;
  }
});

test.each([
  [["a"], "publish takes a type and its data in JSON; quote the JSON for your shell"],
  [["a", "1", "2"], "publish takes a type and its data in JSON; quote the JSON for your shell"],
  [["a", "{a:1}"], 'data: must be JSON, not "{a:1}"'],
  [["Order", "1"], "type: must be lower-case words joined by dots"],
  [["feed.gap", "1"], "type: `feed.*` is reserved for the feed itself."],
  [["a", "1", "--to", "carrier-pigeon"], '--to takes a technique or a URL, not "carrier-pigeon"'],
  [["a", "1", "--too", "sse"], "Unknown option '--too'"],
])("wrong arguments: publish %j", async (args, complaint) => {
  const { code, stdout, stderr } = await output("publish", args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: [] });
  expect(stderr[0]).toStartWith(`tidings: ${complaint}`);
});
