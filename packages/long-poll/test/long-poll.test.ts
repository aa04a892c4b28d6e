import { expect, test } from "bun:test";
import { Feed } from "@tidings/shared/server";
import { server } from "../src/server.ts";

test.each([-1, 240_001, NaN])("holdMs: %d is refused, and the maximum named", (holdMs) => {
  expect(() => server({ feed: new Feed(), holdMs })).toThrow(
    new RangeError("holdMs: must be a number from 0 to 240000."),
  );
});
