// Plain node:http: `node node-http.mjs <short-poll | long-poll | sse>`.
import { createServer } from "node:http";
import { answer, isPublication, listen, takePublication } from "./publish.mjs";

const [lane] = process.argv.slice(2);

const streams = new Set();
const log = [];
let waiting = [];

const page = (after) => `{"events":[${log.slice(after).join()}],"cursor":"${log.length}"}`;

const deliver = (event) => {
  const json = JSON.stringify(event);
  log.push(json);
  for (const stream of streams) stream.write(`id: ${event.id}\ndata: ${json}\n\n`);
  const held = waiting;
  waiting = [];
  for (const response of held) answer(response, 200, page(log.length - 1));
};

const lanes = {
  "short-poll"(request, response, after) {
    const etag = `"${log.length}"`;
    if (request.headers["if-none-match"] === etag) response.writeHead(304, { etag }).end();
    else answer(response, 200, page(after ?? log.length), { etag });
  },
  "long-poll"(_, response, after) {
    if (after === log.length) waiting.push(response);
    else answer(response, 200, page(after ?? log.length));
  },
  sse(_, response) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(":\n\n");
    streams.add(response);
    response.on("close", () => streams.delete(response));
  },
};

listen(
  createServer((request, response) => {
    if (isPublication(request)) return takePublication(request, response, deliver);
    const after = new URL(request.url, "http://localhost").searchParams.get("after");
    lanes[lane](request, response, after === null ? undefined : Number(after));
  }),
);
