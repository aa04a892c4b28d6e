import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "webhook-consumer",
  title: "Webhook consumer",
  idea: "The server that is called: it verifies the raw bytes, stores the event, answers, then works.",
  direction: "server calls server",
  costs: "An address that the provider can reach, a secret for each sender, and an inbox on disk.",
  specs: [
    {
      title: "Standard Webhooks",
      url: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    },
    {
      title: "GitHub: Validating webhook deliveries",
      url: "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
    },
    {
      title: "Stripe: Verify webhook signatures manually",
      url: "https://docs.stripe.com/webhooks#verify-manually",
    },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: { lacks: "Between two events there is no connection that could be held." },
    durable: true,
    bidirectional: { lacks: "The answer to a delivery is a receipt; publish with POST /events." },
    browser: { lacks: "A page has no address that a provider could call." },
  },
  deviations: {},
  pair: { server: "webhook-provider", client: "webhook-consumer" },
});
