import { expect, setDefaultTimeout, test } from "bun:test";
import { output } from "./testing.ts";

setDefaultTimeout(30_000);

test.each([
  ['{"holdMs":"x"}', "holdMs: must be a number from 0 to 240000."],
  ['{"holdMs":300000}', "holdMs: must be a number from 0 to 240000."],
  ['{"maxBodyBytes":0}', "maxBodyBytes: must be a number, 1 or more."],
])("options that no server can take get one line: %s", async (options, line) => {
  const { code, stdout, stderr } = await output("serve", ["long-poll", "--options", options]);
  expect({ code, stdout, stderr }).toEqual({
    code: 2,
    stdout: [],
    stderr: [`tidings: --options: ${line}`],
  });
});
