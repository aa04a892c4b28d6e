// Starts one technique's server: `bun scripts/serve.ts <technique> [--port N]`. The runner, the
// kit and the bench all start servers through this file, each as a process of its own.
import { bearer, Feed, type FeedOptions, type ServerOptions } from "@tidings/shared/server";
import { selfSigned } from "./certificate.ts";
import {
  fail,
  failToRead,
  failToListen,
  jsonOption,
  numberOption,
  onEnd,
  readArgs,
} from "./cli.ts";
import { optionNames } from "./options.ts";
import { folderOf, techniques } from "./techniques.ts";

// Grace for what is held open when the server is asked to end, in milliseconds.
const GRACE_MS = 3_000;

const usage = `usage: bun scripts/serve.ts <technique> [option]…
  techniques: ${techniques.map(({ name }) => name).join(", ")}
  --port N           default 0: a free one
  --host H           the address to listen on; default 127.0.0.1
  --tls              HTTP/2 over TLS, with a self-made certificate
  --allow-origin O   pages of this origin may come; may be given several times
  --options JSON     the technique's own options, such as '{"holdMs":5000}'
  --feed JSON        the feed's window, such as '{"maxEvents":1000}'
  TIDINGS_TOKEN      in the environment: the token that everybody must show`;

const { values, positionals } = readArgs(usage, {
  port: { type: "string", default: "0" },
  host: { type: "string", default: "127.0.0.1" },
  tls: { type: "boolean", default: false },
  "allow-origin": { type: "string", multiple: true, default: [] },
  options: { type: "string", default: "{}" },
  feed: { type: "string", default: "{}" },
});

const [name, ...rest] = positionals;
const technique = techniques.find((t) => t.name === name);
if (!technique || rest.length > 0)
  failToRead(`unknown technique ${positionals.join(" ") || "(none)"}`);

/** Options in JSON. One that its interface does not declare would be ignored in silence. */
const readOptions = async <Value extends object>(
  flag: "options" | "feed",
  ...declared: Parameters<typeof optionNames>
): Promise<Value> => {
  const options = jsonOption<Value>(`--${flag}`, values[flag]);
  const given = Object.keys(options);
  const names = given.length > 0 ? await optionNames(...declared).catch(fail) : [];
  const unknown = given.find((name) => !names.includes(name));
  if (unknown === undefined) return options;
  return fail(`--${flag} ${unknown}: no such option; there are ${names.join(", ")}.`);
};

const createFeed = (window: FeedOptions) => {
  try {
    return new Feed(window);
  } catch (error) {
    return fail(error);
  }
};

const port = numberOption("--port", values.port, { min: 0, max: 65_535 });
const closing = new AbortController();
const token = process.env.TIDINGS_TOKEN;
const beginning: Promise<unknown>[] = [];
const work: Promise<unknown>[] = [];
const options: ServerOptions & { providerToken?: string } = {
  ...technique.serveOptions,
  ...(await readOptions("options", "Options", `${technique.name}/src/server.ts`)),
  feed: createFeed(await readOptions<FeedOptions>("feed", "FeedOptions", "shared/src/feed.ts")),
  signal: closing.signal,
  startAfter: (promise) => beginning.push(promise),
  waitUntil: (promise) => work.push(promise),
  allowOrigins: values["allow-origin"],
  // The webhook consumer shows the same token at the provider that it registers with.
  ...(token ? { authorize: bearer(token), providerToken: token } : {}),
};
if (technique.serveOptions)
  console.error(`${technique.name} is started with ${JSON.stringify(technique.serveOptions)}`);
const { server } = await import(`${folderOf(technique.name)}/src/server.ts`);
const app = (() => {
  try {
    return server(options);
  } catch (error) {
    if (error instanceof RangeError) return fail(error);
    throw error;
  }
})();

await Promise.all(beginning).catch((error) => fail(error, 1));

// Browsers speak HTTP/2 only over TLS, which settles the version; WebSockets stay on HTTP/1.1.
const secure = values.tls
  ? { tls: await selfSigned().catch((error) => fail(error, 1)), http2: true }
  : {};

// Without `reusePort: false` a second server on the same port would start in silence and take
// half of the connections.
try {
  app.listen({ port, hostname: values.host, reusePort: false, ...secure });
} catch (error) {
  failToListen(error, port);
}
console.log(`ready ${app.server.url.origin}`);

onEnd(async () => {
  closing.abort();
  await Promise.race([Promise.all([app.server.stop(), ...work]), Bun.sleep(GRACE_MS)]);
  await app.server.stop(true);
  process.exit(0);
});
