// Publishes this machine's load, memory and network counters until it is ended:
// `bun apps/host-metrics/src/main.ts --to <url> [--to <url>]… [--interval-ms 1000]`.
import { pause } from "@tidings/shared/client";
import { fail, failToRead, numberOption, readArgs } from "../../../scripts/cli.ts";
import { Destination } from "./destination.ts";
import { metricsOf, readHost } from "./metrics.ts";

const MIN_INTERVAL_MS = 10;
const MAX_INTERVAL_MS = 3_600_000;

const usage = `usage: bun apps/host-metrics/src/main.ts --to URL [--to URL]… [--interval-ms N]
  --to URL          a server to publish to; TIDINGS_TOKEN is its token
  --interval-ms N   time between two events; default 1000`;
const { values, positionals } = readArgs(usage, {
  to: { type: "string", multiple: true, default: [] },
  "interval-ms": { type: "string", default: "1000" },
});
const { to } = values;
if (positionals.length > 0) failToRead(`what is ${JSON.stringify(positionals[0])}?`);
const intervalMs = numberOption("--interval-ms", values["interval-ms"], {
  min: MIN_INTERVAL_MS,
  max: MAX_INTERVAL_MS,
});
if (to.length === 0) failToRead("--to is missing: say where the events go");
for (const url of to)
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    fail(`--to must be a server's URL, such as http://127.0.0.1:3003, not ${JSON.stringify(url)}`);

const closing = new AbortController();
// Ctrl-C comes twice under `bun run`, and the second must not find us without a listener.
process.on("SIGTERM", () => closing.abort());
process.on("SIGINT", () => closing.abort());
const { signal } = closing;

const token = process.env.TIDINGS_TOKEN || undefined;
const say = (line: string) => console.error(`host-metrics: ${line}`);
const destinations = to.map((url) => new Destination(url, { signal, token, say }));

let before = readHost();
while (!signal.aborted) {
  // The clock's own multiples, so that no lateness adds up. Rounding keeps half an interval clear:
  // a timer that fires early does not fire twice, and a rate is never over next to no time.
  const due = (Math.round(Date.now() / intervalMs) + 1) * intervalMs;
  await pause(due - Date.now(), signal);
  if (signal.aborted) break;
  const now = readHost();
  const metrics = metricsOf(before, now);
  for (const destination of destinations) destination.publish(metrics);
  before = now;
}
