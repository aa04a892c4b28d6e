import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "sse",
  title: "Server-Sent Events",
  idea: "One answer that never ends: the server writes each event into it as it happens.",
  direction: "server pushes",
  costs: "One open connection per client; over HTTP/1.1 a browser has six of them per origin.",
  specs: [
    {
      title: "HTML, section 9.2: Server-sent events",
      url: "https://html.spec.whatwg.org/multipage/server-sent-events.html",
    },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: true,
    durable: { lacks: "The feed is in memory: when its server is killed, a gap stands for it." },
    bidirectional: { lacks: "An event stream goes one way; publish with POST /events." },
    browser: true,
  },
  deviations: {},
});
