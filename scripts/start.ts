// Starts the servers, the sources and the page: `bun start [technique …] [--port-base N]`. Every
// one is a process of its own, so that a lane can be killed, restarted and measured alone.
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { styleText } from "node:util";
import type { Technique } from "@tidings/shared";
import { pause } from "@tidings/shared/client";
import { fail, numberOption, onEnd, readArgs } from "./cli.ts";
import { describeExit, run, serve, type Running, type RunOptions } from "./launch.ts";
import { leftWord, serversFile, type RunningServer } from "./servers.ts";
import { techniques } from "./techniques.ts";

// A process that ran for so long had a good start: its next end is a first one again.
const STABLE_MS = 10_000;
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

const usage = `usage: bun start [technique …] [--port-base N]
  --port-base N   of the page, the servers' follow; default 3000, 0: any free`;

const { values, positionals } = readArgs(usage, {
  "port-base": { type: "string", default: "3000" },
});

const known = techniques.map(({ name }) => name);
const unknown = positionals.find((name) => !known.includes(name));
if (unknown !== undefined)
  fail(`unknown technique ${JSON.stringify(unknown)}; there are ${known.join(", ")}`);

const other = await leftWord();
if (other)
  fail(
    `bun start runs already: process ${other.pid}, says ${serversFile}; end it, or name another file: TIDINGS_SERVERS=FILE bun start --port-base N`,
    1,
  );

// Every port is taken once before anything is started: to see that it is free, or to choose one.
const base = numberOption("--port-base", values["port-base"], { min: 0, max: 65_000 });
const held: { stop(closeAll: boolean): void }[] = [];
const claim = (name: string, index: number) => {
  const port = base === 0 ? 0 : base + index;
  try {
    const listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    held.push(listener);
    return { port: listener.port, url: `http://127.0.0.1:${listener.port}` };
  } catch {
    const problem = `port ${port} (${name}) is taken; choose others: bun start --port-base N`;
    return fail(problem, 1);
  }
};

// The page is on the first port, and each technique keeps its own whoever else is started.
const lanes = techniques
  .map((technique, index) => ({ ...technique, index: index + 1 }))
  .filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  .map((technique) => ({ ...technique, ...claim(technique.name, technique.index) }));
const page = { name: "playground", title: "The page", ...claim("playground", 0) };
for (const listener of held) listener.stop(true);

// The webhook consumer is fed by the provider: sources publish to the others.
const servers = lanes.map(({ name, url, pair }): RunningServer => ({
  name,
  url,
  publish: pair?.client !== name,
}));
const serverUrl = (name: string) => servers.find((server) => server.name === name)?.url;
const word = JSON.stringify({ pid: process.pid, servers });

const colours = ["cyan", "magenta", "yellow", "green", "blue", "red"] as const;
const names = [...lanes.map(({ name }) => name), "playground", "sources"];
const width = Math.max(...names.map((name) => name.length));
const sayAs = (name: string) => {
  const label = name.padEnd(width);
  const prefix = styleText(colours[names.indexOf(name) % colours.length] ?? "white", label);
  return (line: string) => console.log(`${prefix}  ${line}`);
};

const ending = new AbortController();
const running = new Set<Running>();

/** Keeps a process running until all shall end. Resolves when it first is ready, or has failed. */
const keep = (name: string, start: (options: RunOptions) => Running): Promise<boolean> => {
  const say = sayAs(name);
  const { promise: tried, resolve: settle } = Promise.withResolvers<boolean>();
  const loop = async () => {
    for (let failures = 0; !ending.signal.aborted; failures++) {
      const startedAt = performance.now();
      const process = start({ onLine: say });
      running.add(process);
      say(`started as process ${process.pid}`);
      process.ready.then(
        () => settle(true),
        () => settle(false),
      );
      const exit = await process.exited;
      running.delete(process);
      if (ending.signal.aborted) return;
      if (performance.now() - startedAt > STABLE_MS) failures = 0;
      const waitMs = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** failures);
      say(`ended with ${describeExit(exit)}; starts again in ${waitMs / 1000} s`);
      await pause(waitMs, ending.signal);
    }
  };
  loop();
  return tried;
};

// Sources first, so that nobody publishes to a server that is about to end.
const end = async () => {
  ending.abort();
  const stop = (process: Running) => process.stop();
  await Promise.all([...running].filter(({ name }) => name === "sources").map(stop));
  await Promise.all([...running].map(stop));
  if (
    (await Bun.file(serversFile)
      .text()
      .catch(() => "")) === word
  )
    rmSync(serversFile);
  process.exit(0);
};
onEnd(end);
mkdirSync(dirname(serversFile), { recursive: true });
await Bun.write(serversFile, word);

const origins = [page.url, page.url.replace("127.0.0.1", "localhost")];
const optionsOf = ({ name, pair }: Technique) =>
  pair?.client === name ? { provider: serverUrl(pair.server) } : {};

const ready = await Promise.all([
  keep("playground", (options) => {
    const args = ["--port", `${page.port}`, "--lanes", JSON.stringify(servers)];
    return run("playground", ["apps/playground/src/main.ts", ...args], options);
  }),
  ...lanes.map(async (lane) => {
    const { name, port, url } = lane;
    const start = (options: RunOptions) =>
      serve(name, { ...options, port, allowOrigins: origins, options: optionsOf(lane) });
    if (!(await keep(name, start))) return false;
    return fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  }),
]);

const to = servers.filter(({ publish }) => publish).flatMap(({ url }) => ["--to", url]);
if (to.length > 0)
  keep("sources", (options) => run("sources", ["apps/host-metrics/src/main.ts", ...to], options));

const titleWidth = Math.max(...[page, ...lanes].map(({ title }) => title.length));
const row = ({ name, title, url }: typeof page, index: number) =>
  `  ${name.padEnd(width)}  ${title.padEnd(titleWidth)}  ${ready[index] ? url : "not ready"}`;
if (!ending.signal.aborted)
  console.log(`
${[page, ...lanes].map(row).join("\n")}

  A server's source is packages/<name>/src/server.ts.
  Follow it with bun run tail <name>. Ctrl-C ends everything.
`);
