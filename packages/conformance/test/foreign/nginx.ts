// A real nginx in front of servers, as Debian ships it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { find } from "../../../../scripts/setup.ts";

interface Site {
  /** The server behind it. */
  readonly upstream: string;
  /** The lines that nginx's own documentation asks for where WebSockets pass. */
  readonly websocket?: boolean;
}

/** Seconds that nginx waits for a quiet server; its default is 60. */
export const READ_TIMEOUT_S = 2;

const upgrade = `
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";`;

// Nothing but proxy_pass: HTTP/1.0 upstream, everything buffered, as it comes by default. The rest
// is where to listen and to write, without being root.
const configuration = (folder: string, port: number, { upstream, websocket = false }: Site) => `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join("\n  ")}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream};${websocket ? upgrade : ""}
      proxy_read_timeout ${READ_TIMEOUT_S}s;
    }
  }
}
`;

const freePort = () => {
  using listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return listener.port;
};

/** Starts nginx in front of a server, in the foreground; disposing of it ends it. */
export const nginx = async (site: Site) => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-nginx-"));
  const port = freePort();
  await Bun.write(`${folder}/nginx.conf`, configuration(folder, port, site));
  const command = [find("nginx") ?? "nginx", "-p", folder, "-c", `${folder}/nginx.conf`];
  const child = Bun.spawn([...command, "-e", "stderr"], { stdout: "ignore", stderr: "pipe" });
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const follow = async () => {
    let said = "";
    const utf8 = new TextDecoder();
    for await (const chunk of child.stderr) {
      said += utf8.decode(chunk, { stream: true });
      // By then it listens.
      if (said.includes("start worker process ")) resolve();
    }
    reject(new Error(`nginx ended: ${said}`));
  };
  follow().catch(reject);
  const end = async () => {
    child.kill();
    await child.exited;
    await rm(folder, { recursive: true });
  };
  try {
    await ready;
  } catch (error) {
    await end();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: end };
};
