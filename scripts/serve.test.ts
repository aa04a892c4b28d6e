import { expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { launch } from "./launch.ts";
import { whyMissing } from "./setup.ts";
import { output } from "./testing.ts";

setDefaultTimeout(60_000);

test.each([
  ["--options", '{"holdMs":"x"}', "holdMs: must be a number from 0 to 240000."],
  ["--options", '{"holdMs":300000}', "holdMs: must be a number from 0 to 240000."],
  ["--options", '{"maxBodyBytes":0}', "maxBodyBytes: must be a number, 1 or more."],
  [
    "--options",
    '{"holdMs":1,"unknwon":1}',
    "--options unknwon: no such option; there are holdMs, signal, waitUntil, startAfter, authorize, allowOrigins, maxBodyBytes, maxSubscribers, maxSubscribersPerAddress.",
  ],
  [
    "--feed",
    '{"maxEvent":1}',
    "--feed maxEvent: no such option; there are maxEvents, maxBytes, epoch, now.",
  ],
  ["--feed", '{"epoch":-1}', "epoch: must be a whole number of milliseconds since 1970."],
  [
    "--allow-origin",
    "https://example.org/",
    'allowOrigins: must be origins as browsers send them, such as https://example.org, not "https://example.org/".',
  ],
])("options that no server can take get one line: %s %s", async (option, value, line) => {
  const { code, stdout, stderr } = await output("serve", ["long-poll", option, value]);
  expect({ code, stdout, stderr }).toEqual({
    code: 2,
    stdout: [],
    stderr: [`tidings: ${line}`],
  });
});

test("LIMIT-1: a server listens on 127.0.0.1, and on no other address of this machine", async () => {
  await using server = await launch("short-poll");
  const { hostname, port } = new URL(server.url);
  expect(hostname).toBe("127.0.0.1");
  const reaches = (host: string) =>
    new Promise<boolean>((resolve) => {
      const socket = connect(Number(port), host);
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
  expect(await reaches("127.0.0.1")).toBe(true);
  // A server on all addresses would answer here as well.
  for (const host of ["127.0.0.2", "::1"]) expect(await reaches(host)).toBe(false);
});

const why = whyMissing("openssl") ?? whyMissing("curl");
test.skipIf(why !== undefined).each([
  ["--http2", "2"],
  ["--http1.1", "1.1"],
])(`--tls: curl %s is answered in HTTP/%s${why ? `; ${why}` : ""}`, async (flag, version) => {
  await using server = await launch("sse", { tls: true });
  const form = ["-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
  const command = ["curl", "-sS", "--insecure", flag, ...form, `${server.url}/health`];
  const curl = Bun.spawn(command, { stdout: "pipe" });
  expect(await curl.stdout.text()).toBe(`${version} 200`);
});

test("--tls without openssl is one line and exit code 1", async () => {
  expect(await output("serve", ["sse", "--tls"], { PATH: "/nowhere" })).toEqual({
    code: 1,
    stdout: [],
    stderr: ["tidings: --tls needs openssl, which makes its certificate; install it"],
  });
});
