// Socket.IO on node:http, over its WebSocket transport.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { isPublication, listen, takePublication } from "./publish.mjs";

const server = createServer((request, response) => {
  if (isPublication(request))
    takePublication(request, response, (event) => io.emit("event", event));
});
const io = new Server(server, { transports: ["websocket"] });

listen(server);
