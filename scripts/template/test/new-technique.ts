import { expect, test } from "bun:test";
import { Feed } from "@tidings/shared/server";
import { server } from "../src/server.ts";

test("an answer holds the events and the cursor", async () => {
  const feed = new Feed({ epoch: 1, now: () => 0 });
  feed.publish("greeting", "hello");
  const request = new Request("http://localhost/events?after=0-0");

  const response = await server({ feed }).handle(request);

  expect(await response.text()).toBe(
    '{"events":[{"id":"1-1","type":"greeting","time":"1970-01-01T00:00:00.000Z","data":"hello"}],' +
      '"cursor":"1-1"}',
  );
});
