import { expect, setDefaultTimeout, test } from "bun:test";
import { launch } from "../../../scripts/launch.ts";
import { rawServer } from "./raw.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(120_000);

const WAITING = 1_000;
const SAMPLES = 100;
const CONCURRENCY = 8;
// Generous: where endpoints shared a queue, an event would wait for a thousand attempts, or forever.
const MAX_RATIO = 4;

const startProvider = async () => {
  // What has failed does not come back while a test measures, however slow the machine is.
  const options = { concurrency: CONCURRENCY, scheduleScale: 100 };
  const provider = await launch("webhook-provider", { options });
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${provider.url}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(await response.text());
    return JSON.parse(await response.text());
  };
  return {
    ask,
    register: async (url: string, type: string): Promise<string> =>
      (await ask("POST", "/endpoints", { url, types: [type] })).id,
    publish: (type: string) => ask("POST", "/events", { type, data: 1 }),
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  };
};
type Provider = Awaited<ReturnType<typeof startProvider>>;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/**
 * The median time from publishing to arriving at a healthy endpoint, of the provider that
 * `disturb` has been at, as a multiple of that of an equal one without worries. Both take turns, so
 * that whatever else this machine does happens to both.
 */
const ratio = async (disturb: (provider: Provider) => Promise<() => void>) => {
  const arrive: Record<string, () => void> = {};
  using receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      arrive[new URL(request.url).pathname]?.();
      return new Response();
    },
  });
  await using quiet = await startProvider();
  await using busy = await startProvider();
  const sampler = async (provider: Provider, path: string) => {
    await provider.register(new URL(path, receiver.url).href, "a.b");
    return async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      arrive[path] = resolve;
      const begun = performance.now();
      await provider.publish("a.b");
      await promise;
      return performance.now() - begun;
    };
  };
  const inQuiet = await sampler(quiet, "/quiet");
  const inBusy = await sampler(busy, "/busy");
  const go = await disturb(busy);
  const times: { quiet: number[]; busy: number[] } = { quiet: [], busy: [] };
  for (let n = 0; n < SAMPLES; n++) {
    times.quiet.push(await inQuiet());
    times.busy.push(await inBusy());
    go();
  }
  return median(times.busy) / median(times.quiet);
};

/** Has a thousand events wait for an endpoint. */
const burden = async (provider: Provider, url: string) => {
  const id = await provider.register(url, "x.y");
  await Promise.all(Array.from({ length: WAITING }, () => provider.publish("x.y")));
  return id;
};

test("PROVIDER-14: a dead endpoint with 1,000 events waiting slows nobody", async () => {
  await using server = await rawServer((socket) => socket.destroy());
  const times = await ratio(async (provider) => {
    const id = await burden(provider, server.url);
    // Each has failed once, and waits for its next attempt.
    for (;;) {
      const { deliveries } = await provider.ask("GET", `/endpoints/${id}/deliveries`);
      if (deliveries.every(({ attempts }: { attempts: [] }) => attempts.length > 0)) break;
    }
    expect((await provider.ask("GET", `/endpoints/${id}`)).waiting).toBe(WAITING);
    return () => {};
  });
  expect(times).toBeLessThan(MAX_RATIO);
});

test("PROVIDER-14: a hanging endpoint that holds all its seats slows nobody", async () => {
  const hanging: (() => void)[] = [];
  const full = Promise.withResolvers<void>();
  await using server = await rawServer((socket) => {
    hanging.push(() => socket.destroy());
    if (hanging.length === CONCURRENCY) full.resolve();
  });
  const times = await ratio(async (provider) => {
    await burden(provider, server.url);
    await full.promise;
    // One fails for each event that the healthy one gets, and the next takes its seat.
    return () => hanging.shift()?.();
  });
  expect(times).toBeLessThan(MAX_RATIO);
  // It has no more seats than its own.
  expect(hanging.length).toBeLessThanOrEqual(CONCURRENCY);
});

test("PROVIDER-14: forty endpoints that hang at once slow nobody", async () => {
  const called = new Set<string>();
  const all = Promise.withResolvers<void>();
  await using server = await rawServer((socket) =>
    socket.on("data", (data) => {
      called.add(`${data}`.split(" ", 2)[1] ?? "");
      if (called.size === 40) all.resolve();
    }),
  );
  const times = await ratio(async (provider) => {
    for (let n = 0; n < 40; n++) await provider.register(`${server.url}${n}`, "x.y");
    for (let n = 0; n < CONCURRENCY; n++) await provider.publish("x.y");
    // Each has a seat, and none keeps so many that another one finds none.
    await all.promise;
    return () => {};
  });
  expect(times).toBeLessThan(MAX_RATIO);
});
