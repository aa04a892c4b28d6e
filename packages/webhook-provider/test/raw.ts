import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** A server that speaks in bytes, for what no well-behaved receiver does. */
export const rawServer = async (
  serve: (socket: Socket) => void,
  tls?: TlsOptions,
  host = "127.0.0.1",
  port = 0,
) => {
  const server: Server = tls ? createTlsServer(tls, serve) : createServer(serve);
  const sockets: Socket[] = [];
  // Every connection, whether or not a handshake follows.
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.address();
  const bound = typeof address === "object" && address ? address.port : 0;
  return {
    url: `${tls ? "https" : "http"}://${host}:${bound}/`,
    port: bound,
    /** How many were made, in all. */
    get connections() {
      return sockets.length;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
