import { Problem } from "@tidings/shared";
import { PROTOCOL } from "./wire.ts";

/** The subprotocol's header. Bun would answer with the client's first offer, whatever it is. [WS-3] */
export const choose = ({ headers }: Request) => {
  const offers = headers.get("sec-websocket-protocol")?.split(/\s*,\s*/) ?? [];
  return { "sec-websocket-protocol": offers.includes(PROTOCOL) ? PROTOCOL : "" };
};

/**
 * What is no handshake is told so, but not before it has had a seat: a client whose handshake failed
 * asks why by a plain GET. [WS-2]
 */
export const noHandshake = ({ headers }: Request): Problem =>
  headers.get("upgrade")?.toLowerCase() === "websocket"
    ? new Problem(400, "handshake: is not one of WebSocket [RFC 6455, section 4.1].")
    : new Problem(426, "upgrade: this path speaks WebSocket only.", {
        upgrade: "websocket",
        connection: "Upgrade",
      });
