// `bun run soak [technique …] [--minutes N]`: subscribers come and go all the time while events are
// published. Nothing may be lost, and the server's memory and descriptors must stay flat. It is
// not part of the tests: it takes its time, and a person looks at the figures.
import { Follower, launchedLane, offsetOf, publish } from "@tidings/conformance";
import { readdirSync, readFileSync } from "node:fs";
import { fail, failToRead, numberOption, readArgs } from "./cli.ts";
import { techniques } from "./techniques.ts";

const STEADY = 20;
const CHURNING = 20;
const EVENTS_PER_SECOND = 50;
const SAMPLES = 10;
// A visitor that has left comes back within this time.
const PAUSE_MS = 500;

const usage = `usage: bun run soak [technique …] [--minutes N]
  --minutes N   how long each technique is soaked, 1 to 600; default 10`;
const { values, positionals } = readArgs(usage, {
  minutes: { type: "string", default: "10" },
});
const minutes = numberOption("--minutes", values.minutes, { min: 1, max: 600 });
const lanes = techniques.filter(({ name, pair }) =>
  positionals.length > 0 ? positionals.includes(name) : pair?.client !== name,
);
const unknown = positionals.find((name) => !techniques.some((known) => known.name === name));
if (unknown !== undefined) failToRead(`unknown technique ${unknown}`);

const memory = (pid: number) => {
  const [, kb] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kb) / 1024;
};
const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
const never = new AbortController().signal;

let lost = 0;
for (const technique of lanes) {
  const lane = await launchedLane(technique);
  await using server = await lane.start({ options: { scheduleScale: 0.001 } });
  const { url, pid } = server;
  if (pid === undefined) fail("the server has no process of its own");
  const options = { silenceMs: 45_000 };
  const steady = Array.from({ length: STEADY }, () => new Follower(lane, url, never, options));
  await Promise.all(steady.map((follower) => follower.opened()));

  const end = Date.now() + minutes * 60_000;
  let visits = 0;
  const churn = async () => {
    while (Date.now() < end) {
      await using visitor = new Follower(lane, url, never, { after: "0-0" });
      const enough = Math.ceil(Math.random() * 20);
      await visitor.until(() => visitor.events.length >= enough, "a few events");
      visits++;
      await Bun.sleep(Math.random() * PAUSE_MS);
    }
  };
  const source = async () => {
    const from = performance.now();
    for (let n = 0; Date.now() < end; n++) {
      await publish(url, "soak.tick", { n, pad: "x".repeat(n % 500) });
      await Bun.sleep(Math.max(0, from + ((n + 1) * 1000) / EVENTS_PER_SECOND - performance.now()));
    }
  };
  const watch = async () => {
    for (let sample = 1; sample <= SAMPLES; sample++) {
      await Bun.sleep((minutes * 60_000) / SAMPLES);
      const figures = `${memory(pid).toFixed(0).padStart(5)} MiB  ${descriptors(pid)} descriptors`;
      console.log(`  ${String(sample * SAMPLES).padStart(3)} %  ${figures}  ${visits} visits`);
    }
  };
  console.log(`\n${technique.title}: ${STEADY} stay, ${CHURNING} come and go, ${minutes} min`);
  const visitors = Array.from({ length: CHURNING }, churn);
  await Promise.all([source(), watch(), ...visitors]);

  const last = await publish(url, "soak.end", null);
  await Promise.all(steady.map((follower) => follower.reached(last.id)));
  const missing = steady.map(({ offsets }) => {
    const [first = 1] = offsets;
    return offsetOf(last.id) - first + 1 - new Set(offsets).size;
  });
  const doubled = steady.map(({ offsets }) => offsets.length - new Set(offsets).size);
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  lost += sum(missing) + sum(doubled);
  const delivered = sum(steady.map(({ offsets }) => offsets.length));
  console.log(`  delivered ${delivered}, lost ${sum(missing)}, doubled ${sum(doubled)}`);
  await Promise.all(steady.map((follower) => follower.stop()));
}
process.exit(lost > 0 ? 1 : 0);
