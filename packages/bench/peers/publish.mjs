// What all peers have in common: POST /events publishes. Each delivers in its own way.
let published = 0;

/** Reads what is published, gives it its place, and answers the publisher. */
export const takePublication = (request, response, deliver) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const { type, data } = JSON.parse(Buffer.concat(chunks).toString());
    // As long as the contract's, for it is payload.
    const id = `1763675000123-${++published}`;
    const event = { id, type, time: new Date().toISOString(), data };
    deliver(event, published);
    answer(response, 201, JSON.stringify(event));
  });
};

export const answer = (response, status, body, headers = {}) => {
  const length = { "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { "content-type": "application/json", ...length, ...headers });
  response.end(body);
};

export const isPublication = ({ method, url }) => method === "POST" && url === "/events";

/** Listens on a free port, and says where. */
export const listen = (server) => {
  // Subscribers may be silent for longer than Node's five seconds.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1", 4096, () =>
    console.log(`ready http://127.0.0.1:${server.address().port}`),
  );
};
