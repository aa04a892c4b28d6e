import { Connections } from "./connection.ts";
import type { Crowd } from "./crowd.ts";
import { OwnClients } from "./lanes/own-client.ts";
import { Poll } from "./lanes/poll.ts";
import { Stream } from "./lanes/stream.ts";
import { WebSocketLine } from "./lanes/web-socket.ts";
import { Endpoints } from "./lanes/webhook.ts";
import type { Site } from "./wire.ts";

/** The subscribers that a contender's wire asks for. */
export const crowdOf = (site: Site): Crowd => {
  const { wire } = site;
  switch (wire.kind) {
    case "stream":
      return new Connections(site, (...subscriber) => new Stream(wire.path, ...subscriber));
    case "ws":
      return new Connections(
        site,
        (...subscriber) => new WebSocketLine(wire.path, wire.live, ...subscriber),
      );
    case "poll":
      return new Connections(site, (...subscriber) => new Poll(wire, ...subscriber));
    case "webhook":
      return new Endpoints(site, wire.path);
    case "client":
      return new OwnClients(site, wire.technique);
  }
};
