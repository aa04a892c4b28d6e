import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { baselines } from "../src/contenders.ts";
import type { Contender } from "../src/contender.ts";
import { Standby } from "../src/standby.ts";

const unpinned = { server: undefined };

/** A contender that remembers the processes that it has started. */
const watched = (lane: string) => {
  const known = baselines.find((one) => one.lane === lane);
  if (!known) throw new Error(`There is no ${lane}.`);
  const pids: number[] = [];
  const contender: Contender = {
    ...known,
    start: ({ onSpawn, ...options }) =>
      known.start({ ...options, onSpawn: (pid) => (pids.push(pid), onSpawn?.(pid)) }),
  };
  return { contender, pids };
};

// R, S, T and so on; nothing for a process that has ended.
const stateOf = (pid: number | undefined): string | undefined => {
  try {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
};

const turnsInto = async (pid: number | undefined, isIt: (state: string | undefined) => boolean) => {
  while (!isIt(stateOf(pid))) await Bun.sleep(1);
};

test("the next server is started beforehand, and stands still while another is measured", async () => {
  const [now, next] = [watched("sse"), watched("ws")];
  await using standby = new Standby(unpinned);
  await standby.turn(now.contender, next.contender);
  await using _ = await standby.start(now.contender);
  const [pid] = next.pids;
  {
    using _ = standby.hold();
    await turnsInto(pid, (state) => state === "T");
  }
  await turnsInto(pid, (state) => state !== "T");

  // A run that is played once more has a fresh server, and what is prepared is kept.
  await using again = await standby.start(now.contender);
  expect(now.pids).toEqual([expect.any(Number), again.pid]);

  await standby.turn(next.contender, undefined);
  await using server = await standby.start(next.contender);
  expect(next.pids).toEqual([server.pid]);
  expect(await fetch(server.url).then(({ status }) => status)).toBeLessThan(500);
});

test("what is prepared for somebody who does not come is ended, even when it stands still", async () => {
  const [now, next] = [watched("sse"), watched("ws")];
  await using standby = new Standby(unpinned);
  await standby.turn(now.contender, next.contender);
  await using _ = await standby.start(now.contender);
  const [pid] = next.pids;
  standby.hold();
  await turnsInto(pid, (state) => state === "T");
  await standby.turn(now.contender, undefined);
  await turnsInto(pid, (state) => state === undefined || state === "Z");
});

test("who takes what could not be prepared hears why", async () => {
  const now = watched("sse");
  const reason = new Error("no port");
  const next = { ...now.contender, name: "next", start: () => Promise.reject(reason) };
  await using standby = new Standby(unpinned);
  await standby.turn(now.contender, next);
  await using _ = await standby.start(now.contender);
  await standby.turn(next, undefined);
  expect(standby.start(next)).rejects.toBe(reason);
});
