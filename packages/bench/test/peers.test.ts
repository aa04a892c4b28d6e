import { expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peers } from "../src/peers.ts";

const peerNamed = (name: string) => {
  const peer = peers().find((one) => one.name === name);
  if (!peer) throw new Error(`there is no ${name}`);
  return peer;
};

test.each(["sse/nchan", "sse/node-http"])(
  "%s that is killed while it starts is told",
  async (name) => {
    const starting = peerNamed(name).start({ prefix: ["sh", "-c", "kill -9 $$"] });
    await expect(starting).rejects.toThrow(/did not start|ended without being ready/);
  },
);

// Reads where it is to listen, as nginx does, and needs nothing else of it.
const NGINX = `
  const conf = await Bun.file(process.argv[process.argv.indexOf("-c") + 1]).text();
  const [, port] = /listen 127.0.0.1:(\\d+)/.exec(conf);
  Bun.serve({ hostname: "127.0.0.1", port, fetch: () => new Response() });`;

test("a running nchan has nothing on the disk that a killed bench would leave there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-peers-test-"));
  const { TMPDIR } = process.env;
  process.env.TMPDIR = folder;
  try {
    await using server = await peerNamed("sse/nchan").start({
      prefix: [process.execPath, "-e", NGINX],
    });
    expect((await fetch(server.url)).status).toBe(200);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    await rm(folder, { recursive: true });
  }
});
