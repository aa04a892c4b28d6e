import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "./launch.ts";
import { command, output, publish } from "./testing.ts";
import { techniques } from "./techniques.ts";

// The half of a pair that is called follows the same server as the one that calls.
const lanes = techniques.filter(({ name, pair }) => pair === undefined || pair.server === name);

// How long a client may take to come back: its pauses are random, and double.
const PATIENCE_MS = 60_000;

const has = (id: string) => (line: string) => line.includes(`"id":"${id}"`);

describe.each(lanes)("$name", ({ name, capabilities }) => {
  test("follows from a cursor, and ends on Ctrl-C with a summary", async () => {
    await using server = await launch(name);
    const ids = [await publish(server.url, "greeting", "hello")];
    await using tail = command("tail", [name, "--url", server.url, "--after", "0-0", "--json"]);
    await tail.line(has(ids[0] ?? ""));
    ids.push(await publish(server.url, "greeting", { to: ["you"] }));
    const line = await tail.line(has(ids[1] ?? ""));
    expect(JSON.parse(line)).toEqual({
      id: ids[1],
      type: "greeting",
      time: expect.any(String),
      data: { to: ["you"] },
      ageMs: expect.any(Number),
    });

    tail.kill("SIGINT");
    expect(await tail.exited).toEqual({ code: 0, signal: null });
    expect(tail.lines.stdout).toHaveLength(2);
    const summary = JSON.parse(tail.lines.stderr.at(-1) ?? "");
    expect(summary).toMatchObject({ kind: "end", events: 2, gaps: 0, reconnects: 0 });
    expect(summary.requests).toBeGreaterThan(0);
    // Both events came over the wire, and each is longer than this.
    expect(summary.bytesReceived).toBeGreaterThan(100);
    expect(summary.bytesSent).toBeGreaterThan(0);
  });

  test(
    "survives that the server is killed and comes back",
    async () => {
      const server = await launch(name);
      const first = await publish(server.url, "greeting", 1);
      await using tail = command("tail", [name, "--url", server.url, "--after", "0-0", "--json"]);
      await tail.line(has(first));

      server.kill("SIGKILL");
      await server.exited;
      await using again = await launch(name, { port: Number(new URL(server.url).port) });
      const second = await publish(again.url, "greeting", 2);
      const line = await tail.line(has(second));

      expect(JSON.parse(line).data).toBe(2);
      tail.kill("SIGINT");
      await tail.exited;
      const summary = JSON.parse(tail.lines.stderr.at(-1) ?? "");
      expect(summary.events).toBe(2);
      // Between two polls nobody is connected, so a short absence goes unnoticed.
      expect(summary.reconnects).toBeGreaterThanOrEqual(capabilities.held === true ? 1 : 0);
    },
    PATIENCE_MS,
  );
});

test("a pair is followed at the half that has the events, where `bun start` runs it", async () => {
  await using server = await launch("webhook-provider");
  const id = await publish(server.url, "a", 1);
  const file = join(tmpdir(), `tidings-tail-${process.pid}.json`);
  const running = { name: "webhook-provider", url: server.url, publish: true };
  await Bun.write(file, JSON.stringify({ pid: process.pid, servers: [running] }));
  const args = ["webhook-consumer", "--after", "0-0", "--json"];
  await using tail = command("tail", args, { TIDINGS_SERVERS: file });
  await tail.line(has(id));
  await rm(file);
});

describe("what it prints", () => {
  test("one line for an event: id, type, age and data; a gap is one, too", async () => {
    await using server = await launch("sse");
    const id = await publish(server.url, "order.paid", { amount: 1 });
    await using tail = command("tail", ["sse", "--url", server.url, "--after", "1-1"]);
    const line = await tail.line((text) => text.startsWith(id));
    expect(line).toMatch(/^\d+-1  order\.paid +\d+(\.\d)? m?s  \{"amount":1\}$/);
    const [gap] = tail.lines.stdout;
    expect(gap).toContain("  feed.gap  ");
    expect(gap).toContain('"reason":"epoch"');
    tail.kill("SIGINT");
    await tail.exited;
    expect(tail.lines.stderr[0]).toBe(`-- following ${server.url}`);
    expect(tail.lines.stderr.at(-1)).toMatch(
      /^-- 1 event, 1 gap, 0 reconnects, 1 request, [\d,]+ bytes received, [\d,]+ sent$/,
    );
  });

  test("--types narrows what is followed", async () => {
    await using server = await launch("sse");
    await publish(server.url, "a", 1);
    const id = await publish(server.url, "b", 2);
    const args = ["sse", "--url", server.url, "--after", "0-0", "--types", "b,c", "--json"];
    await using tail = command("tail", args);
    await tail.line(has(id));
    expect(tail.lines.stdout).toHaveLength(1);
  });

  test("a lost connection is a line, with its reason and the pause", async () => {
    const server = await launch("sse");
    await using tail = command("tail", ["sse", "--url", server.url]);
    await tail.line((line) => line.startsWith("-- following"), "stderr");
    server.kill("SIGKILL");
    const line = await tail.line((text) => text.includes("connection lost"), "stderr");
    expect(line).toMatch(/^-- connection lost, next try in \d+ ms: ./);
  });

  test("it ends when nobody reads it any more", async () => {
    await using server = await launch("sse");
    await publish(server.url, "a", 1);
    const tail = Bun.spawn(
      [process.execPath, "scripts/tail.ts", "sse", "--url", server.url, "--after", "0-0"],
      { cwd: `${import.meta.dir}/..`, stdout: "pipe", stderr: "ignore" },
    );
    const reader = tail.stdout.getReader();
    await reader.read();
    await reader.cancel();
    // The closed pipe is noticed when something is written to it, and a line may still come before that.
    for (let number = 2; tail.exitCode === null; number++) await publish(server.url, "a", number);
    expect(await tail.exited).toBe(0);
  });
});

test("a refusal is the problem's detail in one line, and exit code 1", async () => {
  await using server = await launch("sse");
  const { code, stdout, stderr } = await output("tail", [
    "sse",
    "--url",
    server.url,
    "--after",
    "x",
  ]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: [] });
  expect(stderr).toEqual([expect.stringMatching(/^tidings: cursor: must be an id/)]);
});

test.each([
  [[], "unknown technique (none); --help says more"],
  [["carrier-pigeon"], "unknown technique carrier-pigeon; --help says more"],
  [["sse", "ws"], "unknown technique sse ws; --help says more"],
  [["sse", "--url", "http://"], '--url must be an http or https URL, not "http://"'],
  [["sse", "--after"], "Option '--after <value>' argument missing; --help says more"],
])("wrong arguments: tail %j", async (args, complaint) => {
  const { code, stdout, stderr } = await output("tail", args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: [] });
  expect(stderr).toEqual([`tidings: ${complaint}`]);
});
