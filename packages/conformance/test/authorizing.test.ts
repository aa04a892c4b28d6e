import { server as longPoll } from "@tidings/long-poll/server";
import { Feed, type Authorize } from "@tidings/shared/server";
import { server as shortPoll } from "@tidings/short-poll/server";
import { server as sse } from "@tidings/sse/server";
import { server as ws } from "@tidings/ws/server";
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { status } from "../src/lane.ts";
import { HANDSHAKE } from "./fuzz/lists.ts";
import { inProcess } from "./in-process.ts";

test.each(Object.entries({ shortPoll, longPoll, sse, ws }))(
  "LIMIT-3, AUTH-4: %s: who leaves while it is being authorized holds no seat",
  async (_, build) => {
    const asked = Promise.withResolvers<Request>();
    const allowed = Promise.withResolvers<boolean>();
    const authorize: Authorize = (request) => {
      if (!request.url.includes("/events")) return true;
      asked.resolve(request);
      return allowed.promise;
    };
    await using house = await inProcess(({ feed }) => build({ feed, authorize }))();
    const client = connect(Number(new URL(house.url).port), "127.0.0.1");
    const lines = ["GET /events?after=0-0 HTTP/1.1", "Host: localhost", ...HANDSHAKE];
    client.write(`${lines.join("\r\n")}\r\n\r\n`);
    const { signal } = await asked.promise;
    const gone = new Promise((resolve) => signal.addEventListener("abort", resolve));
    client.destroy();
    await gone;
    allowed.resolve(true);
    expect((await status(house.url)).subscribers).toBe(0);
  },
);
