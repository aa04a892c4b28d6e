// A process on the server's core that does the same small work again and again. How much CPU it
// takes shows how quick the core is: what else runs on the machine shares caches and execution units
// with it, and is charged to the server otherwise. It asks the system for something, because that is
// what a server does: arithmetic, and reads from memory, hardly see what slows a server down.
import { statSync } from "node:fs";
import { now, until } from "./clock.ts";
import { obey } from "./orders.ts";

const EVERY_MS = 20;
const QUESTIONS = 100;

const work = () => {
  for (let question = 0; question < QUESTIONS; question++) statSync(import.meta.path);
};

const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

export const orders = {
  /** The CPU that each time took, in microseconds. */
  async probe({ from, to }: { readonly from: number; readonly to: number }): Promise<number[]> {
    await until(from);
    const taken: number[] = [];
    while (now() < to) {
      const before = cpuUs();
      work();
      taken.push(cpuUs() - before);
      await Bun.sleep(EVERY_MS);
    }
    return taken;
  },
};

// Compiled before it counts.
for (let time = 0; time < 200; time++) work();
obey(orders);
