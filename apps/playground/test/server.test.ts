import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { folderOf, techniques } from "../../../scripts/techniques.ts";
import { lanes, server } from "../src/server.ts";

setDefaultTimeout(60_000);

const root = resolve(import.meta.dir, "../../..");
const browsable = techniques.filter(({ capabilities }) => capabilities.browser === true);
const running = (...names: string[]) =>
  names.map((name) => ({ name, url: `http://127.0.0.1/${name}`, publish: true }));
const get = (path: string) =>
  server({ servers: [] }).handle(new Request(`http://localhost${path}`));

test.each(browsable.map(({ name }) => name))(
  "%s: its client is a module for browsers",
  async (name) => {
    const response = await get(`/clients/${name}.js`);
    expect(response.headers.get("content-type")).toBe("text/javascript");
    const { exports, imports } = new Bun.Transpiler().scan(await response.text());
    expect(exports).toContain("subscribe");
    expect(imports).toEqual([]);
  },
);

test.each(["webhook-consumer.js", "nobody.js", "sse", "..%2Fsse.js"])(
  "there is no client %s",
  async (file) => {
    const response = await get(`/clients/${file}`);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  },
);

test("a technique is read and published to at its own server", () => {
  expect(lanes(running("sse"))).toEqual([
    expect.objectContaining({
      name: "sse",
      url: "http://127.0.0.1/sse",
      publishUrl: "http://127.0.0.1/sse",
      client: "sse",
    }),
  ]);
});

test("a pair is one lane: published to at the caller, read at the called", () => {
  expect(lanes(running("webhook-provider", "webhook-consumer"))).toEqual([
    expect.objectContaining({
      name: "webhook-consumer",
      url: "http://127.0.0.1/webhook-consumer",
      publishUrl: "http://127.0.0.1/webhook-provider",
      client: "short-poll",
      remark: expect.stringContaining("short polling"),
    }),
  ]);
});

test("what no browser can read says so", () => {
  const [lane] = lanes(running("webhook-provider"));
  expect(lane?.client).toBeUndefined();
  expect(lane?.remark).toStartWith("No browser client here.");
});

test("the page and the clients need nothing but a browser", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-types-"));
  const page = join(root, "apps/playground/src/page");
  const clients = browsable.map(({ name }) => `${folderOf(name)}/src/client.ts`);
  const config = { extends: join(page, "tsconfig.json"), include: [`${page}/*.ts`, ...clients] };
  await Bun.write(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const check = Bun.spawn([process.execPath, tsc, "-p", folder], { stdout: "pipe" });
  expect(await check.stdout.text()).toBe("");
  expect(await check.exited).toBe(0);
  await rm(folder, { recursive: true });
});
