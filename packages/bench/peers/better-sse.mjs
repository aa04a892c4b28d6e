// Server-Sent Events with the package `better-sse` on Express.
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";
import express from "express";
import { listen, takePublication } from "./publish.mjs";

const channel = createChannel();
const app = express();

app.post("/events", (request, response) =>
  takePublication(request, response, (event) =>
    channel.broadcast(event, "message", { eventId: event.id }),
  ),
);
app.get("/events", async (request, response) => {
  channel.register(await createSession(request, response));
});

listen(createServer(app));
