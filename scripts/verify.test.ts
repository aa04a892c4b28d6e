import { expect, test } from "bun:test";
import { Feed } from "@tidings/shared/server";
import { server as doubling } from "../packages/conformance/test/broken/doubling-sse.ts";
import { launch } from "./launch.ts";
import { output } from "./testing.ts";

const verify = async (...args: string[]) => {
  const { code, stdout, stderr } = await output("verify", args);
  return { code, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
};

test("verifies a stranger's server by its URL, and spares it what would end it", async () => {
  await using server = await launch("sse");
  const { code, stdout } = await verify(server.url);
  expect(stdout).toContain("Server-Sent Events (sse)");
  expect(stdout).toMatch(/skipped.*SIGTERM.*\n\s+The server is somebody else's/);
  expect(stdout).toMatch(/\n\d+ passed, 0 failed, \d+ skipped$/);
  expect(code).toBe(0);
}, 60_000);

test("names the clause that a broken server breaks, and fails", async () => {
  const app = doubling({ feed: new Feed() });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  try {
    const { code, stdout } = await verify(`${app.server?.url}`, "--only", "FEED-3");
    expect(stdout).toMatch(/FAILED.*FEED-3/);
    expect(stdout).toContain("0 passed, 1 failed, 0 skipped");
    expect(code).toBe(1);
  } finally {
    await app.server?.stop(true);
  }
}, 60_000);

test("a server that says nothing, or half an answer, is one line after a while", async () => {
  const mute = async (said: string) => {
    const data = (socket: Bun.Socket) => void socket.write(said);
    using server = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data } });
    const { code, stderr } = await verify(`http://127.0.0.1:${server.port}`);
    expect(stderr).toMatch(
      /^tidings: http:.* does not answer GET \/status; name it with --technique$/,
    );
    expect(code).toBe(2);
  };
  await Promise.all([mute(""), mute("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")]);
}, 60_000);

test.each([
  [["nonsense"], "unknown technique nonsense"],
  [["http://127.0.0.1:1"], "nobody answers at http://127.0.0.1:1; start the server"],
  [["sse", "--unknown"], "--unknown"],
  [["--technique", "sse"], "--technique says whose client speaks to a URL; name the URL as well"],
  [["http://127.0.0.1:1", "--technique", "sse"], "nobody answers at http://127.0.0.1:1"],
  [["http://127.0.0.1:1", "--technique", "webhook"], "a URL is one of them"],
  [["--seed", "1"], "--seed and --write belong to --faults"],
  [["--faults", "--seed", "x"], "--seed must be a whole number"],
  [["--faults", "http://127.0.0.1:1"], "it takes no URL and no --only"],
  [["--faults", "sse", "--write"], "--write keeps the whole matrix"],
  [["--faults", "nonsense"], "unknown technique nonsense"],
  [["sse", "--only", "NO-SUCH-CLAUSE"], "no clause contains NO-SUCH-CLAUSE"],
])("verify %p is answered with one line", async (args, line) => {
  const { code, stderr } = await verify(...args);
  expect(stderr).toMatch(/^tidings: .*$/);
  expect(stderr).toContain(line);
  expect(code).toBe(2);
});
