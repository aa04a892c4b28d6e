import { defineTechnique } from "@tidings/shared";

export default defineTechnique({
  name: "short-poll",
  title: "Short polling",
  idea: "The client asks every second; the server answers at once, mostly that nothing is new.",
  direction: "client asks",
  costs:
    "A request per client and interval, news or not; an event is half an interval old on average.",
  specs: [
    {
      title: "RFC 9110, section 13: Conditional requests",
      url: "https://www.rfc-editor.org/rfc/rfc9110#section-13",
    },
  ],
  capabilities: {
    replay: true,
    filters: true,
    ordered: true,
    held: { lacks: "Nothing is held open: every poll is answered at once." },
    durable: { lacks: "The feed is in memory: when its server is killed, a gap stands for it." },
    bidirectional: { lacks: "A poll only asks; publish with POST /events." },
    browser: true,
  },
  deviations: {},
});
