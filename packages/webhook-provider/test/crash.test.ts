import type { FeedEvent } from "@tidings/shared";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, type Launched } from "../../../scripts/launch.ts";
import { createRandom } from "@tidings/shared/random";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(300_000);

const KILLS = 20;
const ENDPOINTS = 20;
const EVENTS = 4_000;
// Of another type, which only one more endpoint wants.
const OTHERS = 100;
const PUBLISHERS = 16;

const typeOf = (n: number) => (n < EVENTS ? "a.b" : "a.c");

/** A provider that is killed at the given moments, of progress and not of time, and begun anew. */
const mortal = (options: Record<string, unknown>, moments: readonly number[]) => {
  let life: Launched | undefined;
  let born = Promise.withResolvers<string>();
  let progress = 0;
  let kills = 0;
  const killWhenDue = () => {
    const moment = moments[kills];
    if (!life || moment === undefined || progress < moment) return;
    kills++;
    const dying = life;
    life = undefined;
    born = Promise.withResolvers();
    dying.kill("SIGKILL");
    void dying.exited.then(begin).catch(born.reject);
  };
  const begin = async () => {
    life = await launch("webhook-provider", { options });
    born.resolve(life.url);
    killWhenDue();
  };
  void begin().catch(born.reject);
  return {
    get kills() {
      return kills;
    },
    /** Something went on: a publish was answered, or a delivery arrived. */
    step() {
      progress++;
      killWhenDue();
    },
    /** Asks until a life answers; `onKilled` is told when one is killed before it did. */
    async ask(path: string, init: RequestInit = {}, onKilled = () => {}): Promise<Response> {
      for (;;) {
        const asked = born;
        try {
          const response = await fetch(`${await asked.promise}${path}`, init);
          return new Response(await response.bytes(), response);
        } catch (error) {
          if (asked === born) throw error;
          onKilled();
        }
      }
    },
    [Symbol.asyncDispose]: async () => void (await life?.stop()),
  };
};

test("PROVIDER-13: killed twenty times among 4,000 events, it loses none, and doubles no publish", async () => {
  const seed = Number(process.env.TIDINGS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`TIDINGS_SEED=${seed} repeats the moments of these kills`);
  const random = createRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), "provider-"));
  const total = EVENTS + EVENTS * ENDPOINTS + 2 * OTHERS;
  const moments = Array.from({ length: KILLS }, () => random.int(1, total)).toSorted(
    (a, b) => a - b,
  );
  await using provider = mortal(
    { database: join(folder, "outbox.sqlite"), scheduleScale: 0.001 },
    moments,
  );

  // What each endpoint was sent, by id. The last one wants the other type.
  const received = Array.from({ length: ENDPOINTS + 1 }, () => new Map<string, string>());
  const changed: string[] = [];
  let repeated = 0;
  let missing = EVENTS * ENDPOINTS + OTHERS;
  const complete = Promise.withResolvers<void>();
  using receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const bodies = received[Number(new URL(request.url).pathname.slice(1))]!;
      const id = request.headers.get("webhook-id") ?? "";
      const body = await request.text();
      const known = bodies.get(id);
      if (known === undefined) {
        bodies.set(id, body);
        if (--missing === 0) complete.resolve();
      } else {
        repeated++;
        if (known !== body) changed.push(id);
      }
      provider.step();
      // Now and then an endpoint has stored the event, and fails to say so.
      return new Response(null, { status: random.chance(0.01) ? 500 : 204 });
    },
  });
  const post = (body: unknown, headers: Record<string, string> = {}) => ({
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const endpoints: string[] = [];
  for (const [n] of received.entries()) {
    const wish = { url: `${receiver.url}${n}`, types: [n < ENDPOINTS ? "a.b" : "a.c"] };
    const response = await provider.ask("/endpoints", post(wish));
    expect(response.status).toBe(201);
    endpoints.push(((await response.json()) as { id: string }).id);
  }

  // A publish without an answer may or may not be stored. It is repeated, under the same key.
  const ids = new Map<number, string>();
  let interrupted = 0;
  let stored = 0;
  const publish = async (n: number) => {
    const init = post({ type: typeOf(n), data: { n } }, { "idempotency-key": `event ${n}` });
    const response = await provider.ask("/events", init, () => interrupted++);
    expect([200, 201]).toContain(response.status);
    if (response.status === 200) stored++;
    ids.set(n, ((await response.json()) as FeedEvent).id);
    provider.step();
  };
  const order = Array.from({ length: EVENTS + OTHERS }, (_, n) => n);
  order.sort(() => random.next() - 0.5);
  await Promise.all(
    Array.from({ length: PUBLISHERS }, async () => {
      for (let n = order.pop(); n !== undefined; n = order.pop()) await publish(n);
    }),
  );
  await complete.promise;

  // When nothing waits any more, nothing more can come.
  for (const id of endpoints)
    for (;;) {
      const response = await provider.ask(`/endpoints/${id}`);
      const { waiting, disabled } = (await response.json()) as Record<string, unknown>;
      expect(disabled).toBeNull();
      if (waiting === 0) break;
    }
  expect(provider.kills).toBe(KILLS);
  console.log(
    `${KILLS} kills: ${interrupted} publishes had no answer, ${stored} of their events were stored; ` +
      `${repeated} deliveries were repeated`,
  );

  expect(new Set(ids.values()).size).toBe(EVENTS + OTHERS);
  for (const [endpoint, bodies] of received.entries()) {
    const type = endpoint < ENDPOINTS ? "a.b" : "a.c";
    const wanted = [...ids].filter(([n]) => typeOf(n) === type);
    expect(new Set(bodies.keys())).toEqual(new Set(wanted.map(([, id]) => id)));
    for (const [n, id] of wanted)
      expect(JSON.parse(bodies.get(id) ?? "null")).toMatchObject({ type, data: { n } });
  }
  expect(changed).toEqual([]);
  rmSync(folder, { recursive: true });
});
