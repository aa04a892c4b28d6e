import { expect, test } from "bun:test";
import { peers } from "../src/peers.ts";

test.each(["sse/nchan", "sse/node-http"])(
  "%s that is killed while it starts is told",
  async (name) => {
    const peer = peers().find((one) => one.name === name);
    const starting = peer?.start({ prefix: ["sh", "-c", "kill -9 $$"] });
    await expect(starting).rejects.toThrow(/did not start|ended without being ready/);
  },
);
