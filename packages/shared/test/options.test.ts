import { describe, expect, test } from "bun:test";
import { contract } from "../src/contract.ts";
import { Feed } from "../src/feed.ts";
import { checkOptions } from "../src/options.ts";

describe("checkOptions", () => {
  const check = (heartbeatMs: unknown) => () =>
    checkOptions({ heartbeatMs }, { heartbeatMs: { min: 1, max: 240_000 } });

  test.each([undefined, 1, 0.5 + 1, 240_000])("takes %p", (value) => {
    expect(check(value)).not.toThrow();
  });

  test.each([0, -1, 240_001, NaN, Infinity, "x", "15000", null, [[15_000]], true])(
    "refuses %p, with the option's name and its bounds",
    (value) => {
      expect(check(value)).toThrow(
        new RangeError("heartbeatMs: must be a number from 1 to 240000."),
      );
    },
  );

  test("refuses a fraction where only whole numbers make sense", () => {
    const bounds = { maxSubscribers: { min: 0, whole: true } };
    expect(() => checkOptions({ maxSubscribers: 2 ** 53 }, bounds)).not.toThrow();
    expect(() => checkOptions({ maxSubscribers: 1.5 }, bounds)).toThrow(
      new RangeError("maxSubscribers: must be a whole number, 0 or more."),
    );
  });
});

test.each(["maxBodyBytes", "maxSubscribers", "maxSubscribersPerAddress"])(
  "every server checks its %s",
  (name) => {
    const make = (value: number) => () => contract("x", { feed: new Feed(), ...{ [name]: value } });
    expect(make(3)).not.toThrow();
    expect(make(-1)).toThrow(RangeError);
    expect(make(-1)).toThrow(name);
  },
);
