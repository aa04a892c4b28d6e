import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "webhook-provider",
  title: "Webhook provider",
  idea: "The subscriber leaves an address; the server calls it with each event, signed, until it answers.",
  direction: "server calls server",
  costs: "An outbox on disk, one request per event and endpoint, and retries for up to three days.",
  specs: [
    {
      title: "Standard Webhooks",
      url: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    },
    {
      title: "RFC 9110, section 10.2.3: Retry-After",
      url: "https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3",
    },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: { lacks: "Between two events there is no connection that could be held." },
    durable: true,
    bidirectional: { lacks: "The answer to a delivery is a receipt; publish with POST /events." },
    browser: { lacks: "A page has no address that a server could call." },
  },
  deviations: {},
  pair: { server: "webhook-provider", client: "webhook-consumer" },
  serveOptions: { allowLoopback: true },
});
