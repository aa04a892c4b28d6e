import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forSeeds } from "@tidings/shared/random";
import { Inbox } from "../src/inbox.ts";
import { schemes } from "../src/verify.ts";

setDefaultTimeout(60_000);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inbox-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY = '{"type":"a.b","timestamp":"2026-01-02T03:04:05.678Z","data":{"x":1}}';

/** A consumer that can be killed; `line` resolves with its next line that begins so. */
const start = (...args: string[]) => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "killed.ts"), ...args], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const waits: { begin: string; found: (rest: string) => void }[] = [];
  const seen: string[] = [];
  const match = () => {
    for (const wait of [...waits]) {
      const index = seen.findIndex((one) => one.startsWith(wait.begin));
      if (index < 0) continue;
      waits.splice(waits.indexOf(wait), 1);
      wait.found(seen.splice(index, 1)[0]!.slice(wait.begin.length));
    }
  };
  (async () => {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      seen.push(...lines);
      match();
    }
  })();
  const line = (begin: string) =>
    new Promise<string>((found) => {
      waits.push({ begin, found });
      match();
    });
  return {
    line,
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
};

const deliver = async (url: string, id: string): Promise<number> => {
  const delivery = {
    id,
    type: "a.b",
    timestamp: Math.floor(Date.now() / 1000),
    body: new TextEncoder().encode(BODY),
  };
  const headers = {
    "content-type": "application/json",
    ...schemes.standard.sign(delivery, [SECRET]),
  };
  const response = await fetch(`${url}/webhooks/standard`, { method: "POST", headers, body: BODY });
  await response.bytes();
  return response.status;
};

/** Lets an inbox finish what a killed process has left. */
const finish = async (database: string, take: (id: string, attempt: number) => void) => {
  let left = 0;
  const done = Promise.withResolvers<void>();
  const inbox = new Inbox(
    ({ id }, _, attempt) => {
      take(id, attempt);
      if (--left === 0) done.resolve();
    },
    { database },
  );
  left = inbox.waiting;
  if (left > 0) await done.promise;
  await inbox.close();
};

test("CONSUMER-7: an event that was answered with a 2xx outlives a process that is killed before its effect", async () => {
  const database = join(folder, "stuck.sqlite");
  const consumer = start(database, "", "stuck");
  const url = await consumer.line("ready ");
  expect(await deliver(url, "1-1")).toBe(200);
  expect(await deliver(url, "1-2")).toBe(200);
  await consumer.line("begun 1-1");
  await consumer.kill();
  const taken: string[] = [];
  await finish(database, (id, attempt) => taken.push(`${id} ${attempt}`));
  expect(taken).toEqual(["1-1 2", "1-2 1"]);
});

test("CONSUMER-7, CONSUMER-13: killed at random moments, it loses nothing, keeps the order, and repeats only what was cut", () =>
  forSeeds(1, async ({ int, chance }) => {
    const KILLS = 12;
    const EVENTS = 300;
    const database = join(folder, "killed.sqlite");
    const effects = join(folder, "effects");
    let next = 0;
    let kills = 0;
    while (kills <= KILLS && next < EVENTS) {
      const consumer = start(database, effects);
      const url = await consumer.line("ready ");
      // Whatever the event after this one is doing by then.
      const last = kills === KILLS ? EVENTS : next + int(0, (2 * EVENTS) / KILLS);
      while (next < Math.min(last, EVENTS)) {
        expect(await deliver(url, `1-${next + 1}`)).toBe(200);
        next++;
      }
      // One more is on its way when the process dies: nobody knows whether it arrived.
      const cut = next < EVENTS ? deliver(url, `1-${next + 1}`).catch(() => {}) : undefined;
      if (chance(0.5)) await Bun.sleep(int(0, 3));
      await consumer.kill();
      await cut;
      kills++;
    }
    const lines = readFileSync(effects, "utf8").trim().split("\n");
    await finish(database, (id, attempt) => lines.push(`${id} ${attempt}`));
    const taken = lines.map((line) => Number(/^1-(\d+) /.exec(line)?.[1]));
    const all = Array.from({ length: next }, (_, n) => n + 1);
    expect([...new Set(taken)].filter((n) => n <= next)).toEqual(all);
    // What came twice is the one event that was being processed at a kill, told as a later attempt.
    const repeated = lines.filter((_, n) => taken.indexOf(taken[n]!) !== n);
    expect(repeated.length).toBeLessThanOrEqual(kills);
    for (const line of repeated) expect(line).not.toEndWith(" 1");
    console.log(`${kills} kills, ${next} events, ${repeated.length} effects repeated`);
  }));
