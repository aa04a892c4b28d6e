// What a page has to load for each technique's client.
import { expect, test } from "bun:test";
import { folderOf, techniques } from "./techniques.ts";

const MAX_BYTES = 3_000;

// A package of somebody else's would be named here and counted apart: none is used.
const clients = techniques.filter(({ capabilities }) => capabilities.browser === true);

test.each(clients.map(({ name }) => name))("the client of %s is small", async (name) => {
  const built = await Bun.build({
    entrypoints: [`${folderOf(name)}/src/client.ts`],
    target: "browser",
    minify: true,
  });
  expect(built.outputs).toHaveLength(1);
  const code = (await built.outputs[0]?.text()) ?? "";
  expect(code).toContain("subscribe");
  const bytes = Bun.gzipSync(code).byteLength;
  console.log(`${name}: ${Buffer.byteLength(code)} bytes minified, ${bytes} bytes gzipped`);
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});

test("the four techniques that run in a page are measured", () => {
  const names = clients.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["short-poll", "long-poll", "sse", "ws"]));
});
