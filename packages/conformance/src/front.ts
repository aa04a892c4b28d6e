import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createRandom } from "@tidings/shared/random";

const FAILURES = ["reset", "500", "502", "503"] as const;
// More would be an outage, and use a webhook's attempts up.
const MAX_IN_A_ROW = 2;

/** Stands before a server like a proxy whose server is being replaced. */
export interface Front extends AsyncDisposable {
  readonly url: string;
  /** Whom it stands before. */
  readonly target: string;
  /** How many connections it has failed. */
  readonly failures: number;
}

/** Passes connections on, and fails one or two before each: an error or a reset for their first request. */
export const openFront = async (target: string, seed: number): Promise<Front> => {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  // Its own chance: how often it is asked depends on the technique, and the script must not.
  const random = createRandom(seed);
  let failures = 0;
  let left = random.int(1, MAX_IN_A_ROW);
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // Whoever is cut ends the other side as well.
    socket.on("error", () => {});
    return socket;
  };
  const fail = (client: Socket) => {
    const how = random.pick(FAILURES);
    // Not before the request has come: until then the client may not look for an answer.
    client.once("data", () => {
      if (how === "reset") client.resetAndDestroy();
      else client.end(`HTTP/1.1 ${how} Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    });
  };
  const server = createServer((client) => {
    keep(client);
    if (left > 0) {
      failures++;
      left--;
      return fail(client);
    }
    left = random.int(1, MAX_IN_A_ROW);
    const behind = keep(connect(Number(port), hostname));
    client.pipe(behind).pipe(client);
    client.on("close", () => behind.destroy());
    behind.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const own = typeof address === "object" && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${own}`,
    target,
    get failures() {
      return failures;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
