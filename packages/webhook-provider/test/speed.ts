// `bun packages/webhook-provider/test/speed.ts [deliveries] [pairs]`: how much the durable outbox
// costs. It delivers to a receiver in another process, with the outbox in a file, and against that
// runs a bare loop that signs and POSTs the same bodies with the same concurrency and stores
// nothing. Both run in turns, so that a noisy machine disturbs both; what counts are the ratios.
// Run by hand: it takes its time, and a person looks at the figures.
import { Feed } from "@tidings/shared/server";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { server } from "../src/server.ts";
import { encodeBody, encodeHeaders, newSecret } from "../src/wire.ts";

if (process.argv[2] === "receiver") {
  const receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      await request.bytes();
      return new Response("ok");
    },
  });
  console.log(receiver.url.href);
} else {
  const [count = 10_000, pairs = 7] = process.argv.slice(2).map(Number);
  const CONCURRENCY = 32;
  const FEW = 100;

  const child = Bun.spawn([process.execPath, import.meta.path, "receiver"], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  const url = new TextDecoder().decode(value).trim();

  const data = { amount: 4_200, note: "x".repeat(200) };
  const secret = newSecret();
  const agent = new http.Agent({ keepAlive: true });
  const { hostname, port } = new URL(url);
  const request = (id: string, time: string) => {
    const body = encodeBody({ type: "payment.success", time, data });
    return { body, headers: encodeHeaders(id, body, [secret]) };
  };
  const viaFetch = async (id: string, time: string) => {
    const { body, headers } = request(id, time);
    const response = await fetch(url, { method: "POST", headers, body });
    await response.bytes();
  };
  const viaNode = (id: string, time: string) =>
    new Promise<void>((resolve, reject) => {
      const { body, headers } = request(id, time);
      const options = { hostname, port, method: "POST", headers, agent };
      http
        .request(options, (response) => response.resume().on("end", resolve))
        .on("error", reject)
        .end(body);
    });

  /** Deliveries per second of a loop that stores nothing. */
  const bare = async (send: (id: string, time: string) => Promise<void>) => {
    const time = new Date().toISOString();
    let n = 0;
    const begun = performance.now();
    const work = async () => {
      while (n < count) await send(`1763675000123-${++n}`, time);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return (count * 1_000) / (performance.now() - begun);
  };

  type Answer = { id: string; delivered: number; waiting: number };

  /**
   * Deliveries per second of the provider: from the moment in which so many wait in the file, until
   * the file says that each was delivered.
   */
  const durable = async (waiting: number) => {
    const folder = mkdtempSync(join(tmpdir(), "speed-"));
    const closing = new AbortController();
    let ended: Promise<unknown> = Promise.resolve();
    const app = server({
      feed: new Feed({ maxEvents: waiting }),
      database: join(folder, "outbox.sqlite"),
      allowLoopback: true,
      concurrency: CONCURRENCY,
      ratePerSecond: 1e9,
      maxWaiting: waiting,
      signal: closing.signal,
      waitUntil: (work) => (ended = work),
    });
    const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
      const headers = { "content-type": "application/json" };
      const init =
        body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
      const response = await app.handle(new Request(`http://localhost${path}`, init));
      return (await response.json()) as Answer;
    };
    const event = { type: "payment.success", data };
    for (let n = 0; n < waiting; n += FEW)
      await Promise.all(Array.from({ length: FEW }, () => ask("POST", "/events", event)));
    const { id } = await ask("POST", "/endpoints", { url, after: "0-0" });
    const begun = performance.now();
    while ((await ask("GET", "/status")).delivered < waiting) await Bun.sleep(waiting / 1_000);
    // This answer comes after all results are on disk.
    const left = (await ask("GET", `/endpoints/${id}`)).waiting;
    const perSecond = (waiting * 1_000) / (performance.now() - begun);
    if (left !== 0) throw new Error(`${left} still wait.`);
    closing.abort();
    await ended;
    rmSync(folder, { recursive: true });
    return perSecond;
  };

  const figures: Record<string, number[]> = {};
  const note = (name: string, value: number) => (figures[name] ??= []).push(value);
  // The first pair warms up and is not counted.
  for (let pair = 0; pair <= pairs; pair++) {
    const [fetched, node] = [await bare(viaFetch), await bare(viaNode)];
    const one = await durable(count);
    let few = 0;
    for (let n = 0; n < 10; n++) few += 0.1 / (await durable(FEW));
    if (pair === 0) continue;
    note("bare loop, fetch, per second", fetched);
    note("bare loop, node:http, per second", node);
    note("durable outbox, per second", one);
    note("durable / the quicker bare loop", one / Math.max(fetched, node));
    note(`time per delivery, ${count} waiting / ${FEW}`, 1 / one / few);
  }
  child.kill();
  console.log(
    `${pairs} pairs of ${count} deliveries, ${CONCURRENCY} at a time; median (lowest to highest):`,
  );
  for (const [name, values] of Object.entries(figures)) {
    const sorted = values.toSorted((a, b) => a - b);
    const shown = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)].map((value = NaN) =>
      value > 100 ? value.toFixed(0) : value.toFixed(2),
    );
    console.log(`  ${name.padEnd(44)}${shown[0]} (${shown[1]} to ${shown[2]})`);
  }
  process.exit();
}
