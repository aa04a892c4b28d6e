import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "ws",
  title: "WebSockets",
  idea: "One connection becomes a line that both sides may speak on at any time.",
  direction: "both ways",
  costs:
    "A protocol of your own: heartbeats, resuming, limits and close codes are all yours to do.",
  specs: [
    {
      title: "RFC 6455: The WebSocket Protocol",
      url: "https://www.rfc-editor.org/rfc/rfc6455",
    },
    { title: "WHATWG WebSockets", url: "https://websockets.spec.whatwg.org/" },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: true,
    durable: { lacks: "The feed is in memory: when its server is killed, a gap stands for it." },
    bidirectional: true,
    browser: true,
  },
  deviations: {},
});
