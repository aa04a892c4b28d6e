// A process that keeps the server's core awake while nobody else wants it. A core that goes to sleep
// wakes up cold, and how cold is the machine's affair, and another one from minute to minute: a server
// that is woken often would cost more or less by that, and nobody could tell why.
import { writeFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { now, until } from "./clock.ts";
import { obey } from "./orders.ts";

// Before it looks whether it is to end, in milliseconds.
const TURN_MS = 1;

export const orders = {
  async stayAwake({ from, to }: { readonly from: number; readonly to: number }): Promise<void> {
    await until(from);
    while (now() < to) {
      for (const end = now() + TURN_MS; now() < end;);
      await turn();
    }
  },
};

try {
  // sched(7): where each session is a group, being idle counts within the group only. So this one is a
  // session of its own, and the least of all groups.
  writeFileSync("/proc/self/autogroup", "19");
} catch {
  // Such a system has no groups.
}
obey(orders);
