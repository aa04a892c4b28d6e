import { expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type AddressInfo } from "node:net";
import { launch, run } from "../../../scripts/launch.ts";
import { techniques } from "../../../scripts/techniques.ts";
import { publish } from "../src/lane.ts";

// The default pause of a client is a second and its silence is 45: a timer that is left behind
// keeps the process longer than this.
setDefaultTimeout(20_000);

const names = techniques.filter(({ pair }) => pair === undefined).map(({ name }) => name);

test.each(names)("CLIENT-6, CLIENT-1: the client of %s leaves nothing behind", async (name) => {
  await using server = await launch(name);
  await publish(server.url, "kit.leave", 1);
  // One that listens and never answers, and a port on which nobody listens any more.
  const silent = createServer();
  const portOf = () => (silent.address() as AddressInfo).port;
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const nobody = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  await nobody.stop(true);
  const urls = [server.url, nobody.url.origin, `http://127.0.0.1:${portOf()}`];
  const lines: string[] = [];
  await using visitor = run(
    `a client of ${name}`,
    ["packages/conformance/test/leaving.ts", name, ...urls],
    { onLine: (line) => void lines.push(line) },
  );
  const { code } = await visitor.exited;
  silent.close();
  expect({ code, lines }).toEqual({ code: 0, lines: ["left"] });
});
