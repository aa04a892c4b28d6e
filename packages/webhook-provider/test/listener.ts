// A process that listens, and prints its port; a test stops it, so that it takes no connections.
import { createServer } from "node:net";

const server = createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
  const address = server.address();
  if (typeof address === "object" && address) console.log(address.port);
});
