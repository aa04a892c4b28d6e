// A process on the server's core that does the same small work again and again. How much CPU it
// takes shows how quick the core is: what else runs on the machine shares caches and execution units
// with it, and is charged to the server otherwise.
import { now, until } from "./clock.ts";
import { obey } from "./orders.ts";

const EVERY_MS = 20;
// A quarter of a megabyte, as much as a server has at hand, and reads that nobody can foresee.
const memory = Uint32Array.from({ length: 65_536 }, (_, place) => Math.imul(place, 2_654_435_761));
const READS = 4_000;
let place = 1;

const work = () => {
  for (let read = 0; read < READS; read++)
    place = (Math.imul(place, 1_664_525) + 1_013_904_223 + read) ^ (memory[place >>> 16] ?? 0);
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
