import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "long-poll",
  title: "Long polling",
  idea: "The client asks, and the server keeps the question until it has an answer.",
  direction: "client asks",
  costs: "A whole request for every answer, and an open connection per client in between.",
  specs: [
    {
      title: "RFC 6202: Known issues and best practices for long polling",
      url: "https://www.rfc-editor.org/rfc/rfc6202",
    },
    { title: "RFC 7240: Prefer", url: "https://www.rfc-editor.org/rfc/rfc7240" },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: true,
    durable: { lacks: "The feed is in memory: when its server is killed, a gap stands for it." },
    bidirectional: { lacks: "A poll only asks; publish with POST /events." },
    browser: true,
  },
  deviations: {},
});
