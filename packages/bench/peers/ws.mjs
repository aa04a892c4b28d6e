// WebSockets with the package `ws` on node:http.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { isPublication, listen, takePublication } from "./publish.mjs";

const server = createServer((request, response) => {
  if (isPublication(request)) takePublication(request, response, deliver);
  else response.writeHead(426).end();
});
const sockets = new WebSocketServer({ server });

const deliver = (event) => {
  const json = JSON.stringify(event);
  for (const socket of sockets.clients) socket.send(json);
};

listen(server);
