import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "new-technique",
  title: "New technique",
  idea: "The client asks again and again; replace this line, and then the code.",
  direction: "client asks",
  costs: "Say in one line what it costs the one who runs it.",
  specs: [
    { title: "RFC 9110: HTTP Semantics", url: "https://www.rfc-editor.org/rfc/rfc9110.html" },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: { lacks: "Every request is answered at once; nobody is held." },
    durable: { lacks: "The feed is in memory: when its server is killed, a gap stands for it." },
    bidirectional: { lacks: "An answer goes one way; publish with POST /events." },
    browser: true,
  },
  deviations: {},
});
