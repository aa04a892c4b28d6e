// What others have written, on the same work. They lie in a folder of their own with its own
// lockfile, and nothing but a bench that asks for them needs them.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { lanes } from "./contenders.ts";
import type { Contender, Server, StartOptions } from "./contender.ts";
import type { Wire } from "./load/wire.ts";

const folder = resolve(import.meta.dir, "../peers");
const INSTALL = `npm ci --prefix ${relative(resolve(import.meta.dir, "../../.."), folder)}`;
const NCHAN = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const INSTALL_NCHAN = "apt-get install nginx libnginx-mod-nchan";

// Debian puts servers where only root looks for commands.
const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

interface Child {
  readonly pid: number;
  readonly exited: Promise<unknown>;
  kill(signal: NodeJS.Signals): void;
}

const asServer = (url: string, child: Child): Server => ({
  url,
  pid: child.pid,
  exited: child.exited,
  kill: (signal) => child.kill(signal),
  async [Symbol.asyncDispose]() {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
    await child.exited;
    clearTimeout(timer);
  },
});

const startNode =
  (script: string, lane: string) =>
  async ({ prefix, signal }: StartOptions): Promise<Server> => {
    const child = Bun.spawn([...prefix, "node", join(folder, script), lane], {
      env: { ...process.env, NODE_ENV: "production" },
      stdio: ["ignore", "pipe", "inherit"],
      ...(signal && { signal }),
    });
    let said = "";
    for await (const chunk of child.stdout) {
      said += new TextDecoder().decode(chunk);
      const [, url] = /^ready (\S+)$/m.exec(said) ?? [];
      if (url) return asServer(url, child);
    }
    throw new Error(`${script} ended without being ready.`);
  };

const startNchan = async ({ prefix, signal }: StartOptions): Promise<Server> => {
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = free;
  free.stop(true);
  const own = await mkdtemp(join(tmpdir(), "tidings-nchan-"));
  // nginx needs its folder to start and for bodies that outgrow its memory, of which there are none:
  // it goes at once, so that nobody who is killed leaves it behind.
  try {
    const conf = await Bun.file(join(folder, "nchan.conf")).text();
    await Bun.write(
      join(own, "nginx.conf"),
      conf.replaceAll("@DIR@", own).replace("@PORT@", `${port}`),
    );
    const nginx = Bun.which("nginx", { PATH }) ?? "nginx";
    // Children of a bench that is killed are killed as well, and a worker of nginx would outlive its
    // master: with this it is told to end.
    const mortal = ["setpriv", "--pdeathsig", "TERM", nginx];
    const child = Bun.spawn(
      [...prefix, ...mortal, "-c", join(own, "nginx.conf"), "-e", "stderr", "-g", "daemon off;"],
      { stdio: ["ignore", "ignore", "pipe"], ...(signal && { signal }) },
    );
    const server = asServer(`http://127.0.0.1:${port}`, child);
    // It says nothing when it is ready, so it is asked until it answers.
    while (child.exitCode === null && child.signalCode === null) {
      const answer = await fetch(server.url).catch(() => undefined);
      if (answer) return server;
      await Bun.sleep(10);
    }
    throw new Error(`nginx with nchan did not start: ${await child.stderr.text()}`);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
};

const titleOf = (name: string) => lanes.find(({ lane }) => lane === name)?.title ?? name;

const held: Wire = { kind: "poll", path: "/events", held: true, cursor: "query" };
const plain = ["No limits, heartbeats, slow readers, gaps or problem details."];
const noFeed = [...plain, "No feed: who comes back has lost what it missed."];

interface Peer {
  readonly lane: string;
  readonly by: string;
  readonly title: string;
  readonly wire: Wire;
  readonly publishPath?: string;
  readonly deviations: readonly string[];
  /** See Contender. */
  readonly bare?: boolean;
  /** The package that must be there, or nchan. */
  readonly needs?: string;
  readonly start: Contender["start"];
}

const nchan = (lane: string, wire: Wire): Peer => ({
  lane,
  by: "nchan",
  title: `${titleOf(lane)}, by nchan (nginx, C)`,
  wire,
  publishPath: "/publish",
  deviations: ["The event is what was published: no id of the contract's, and no problem details."],
  bare: true,
  needs: "nchan",
  start: startNchan,
});

const node = (lane: string, wire: Wire): Peer => ({
  lane,
  by: "node-http",
  title: `${titleOf(lane)}, by hand on node:http`,
  wire,
  deviations: plain,
  start: startNode("node-http.mjs", lane),
});

const all: readonly Peer[] = [
  nchan("short-poll", { kind: "poll", path: "/short-poll", held: false, cursor: "headers" }),
  nchan("long-poll", { kind: "poll", path: "/long-poll", held: true, cursor: "headers" }),
  nchan("sse", { kind: "stream", path: "/stream" }),
  nchan("ws", { kind: "ws", path: "/stream", live: "handshake" }),
  node("short-poll", { ...held, held: false }),
  node("long-poll", held),
  node("sse", { kind: "stream", path: "/events" }),
  {
    lane: "sse",
    by: "better-sse",
    title: "better-sse on Express, on Node",
    wire: { kind: "stream", path: "/events" },
    deviations: noFeed,
    needs: "better-sse",
    start: startNode("better-sse.mjs", "sse"),
  },
  {
    lane: "ws",
    by: "node-ws",
    title: "ws on Node",
    wire: { kind: "ws", path: "/events", live: "handshake" },
    deviations: noFeed,
    needs: "ws",
    start: startNode("ws.mjs", "ws"),
  },
  {
    lane: "ws",
    by: "socket.io",
    title: "Socket.IO on Node, over WebSocket",
    wire: { kind: "ws", path: "/socket.io/?EIO=4&transport=websocket", live: "socket.io" },
    deviations: noFeed,
    needs: "socket.io",
    start: startNode("socket-io.mjs", "ws"),
  },
];

const whyMissing = (needs: string | undefined): string | undefined => {
  if (needs === "nchan") return existsSync(NCHAN) ? undefined : `not installed: ${INSTALL_NCHAN}`;
  if (!Bun.which("node")) return "not installed: it needs Node.js first";
  const there = needs === undefined || existsSync(join(folder, "node_modules", needs));
  return there ? undefined : `not installed: ${INSTALL}`;
};

/** The peers, each with the command that installs it when it is missing. */
export const peers = (): readonly Contender[] =>
  all.map(({ lane, by, needs, publishPath = "/events", ...peer }) => ({
    name: `${lane}/${by}`,
    kind: "peer",
    lane,
    publishPath,
    resumes: false,
    missing: whyMissing(needs),
    ...peer,
  }));

/** Of what the peers run on. */
export const peerVersions = (): Readonly<Record<string, string>> => {
  const versions: Record<string, string> = {};
  const say = (name: string, version: string | undefined) => {
    if (version !== undefined) versions[name] = version;
  };
  const ask = (command: string, ...args: readonly string[]) => {
    const path = Bun.which(command, { PATH });
    if (!path) return undefined;
    const { stdout, stderr } = Bun.spawnSync([path, ...args]);
    return /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0];
  };
  say("node", ask("node", "--version"));
  if (existsSync(NCHAN)) say("nginx", ask("nginx", "-v"));
  for (const name of ["better-sse", "express", "socket.io", "ws"]) {
    const manifest = join(folder, "node_modules", name, "package.json");
    if (existsSync(manifest)) say(name, JSON.parse(readFileSync(manifest, "utf8")).version);
  }
  return versions;
};
