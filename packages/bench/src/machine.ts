// What the operating system says of its cores and of a server's processes. Without Linux's /proc
// there are no such figures, and the results say so.
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Why a server's CPU and memory cannot be read here; undefined where they can. */
export const whyBlind = (): string | undefined =>
  existsSync("/proc/self/schedstat")
    ? undefined
    : "CPU and memory of a process are read from Linux's /proc, and there is none here";

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A thread, or a process, that has ended meanwhile.
    return "";
  }
};

const list = (path: string): readonly string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/** A process and all that it has started. */
export const family = (pid: number): readonly number[] => {
  const children = list(`/proc/${pid}/task`)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(" "))
    .filter(Boolean);
  return [pid, ...children.flatMap((child) => family(Number(child)))];
};

/** The CPU time of a process and its children, for who looks often. */
export class CpuClock {
  readonly #pid: number;
  // A thread that ends takes its time with it: what it was last seen with is kept.
  readonly #usOf = new Map<string, number>();

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** What they have used of any core, in microseconds, from the first look on never less. */
  look(): number {
    for (const member of family(this.#pid))
      for (const thread of list(`/proc/${member}/task`)) {
        // Time on a core, in nanoseconds: finer than the clock ticks of /proc/<pid>/stat.
        const [ns] = read(`/proc/${member}/task/${thread}/schedstat`).split(" ", 1);
        if (ns) this.#usOf.set(`${member}/${thread}`, Number(ns) / 1000);
      }
    return this.#usOf.values().reduce((sum, us) => sum + us, 0);
  }
}

/** The memory that a process and its children have in RAM, in bytes. */
export const rssBytes = (pid: number): number =>
  family(pid).reduce((sum, member) => {
    const [, kb = 0] = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${member}/status`)) ?? [];
    return sum + Number(kb) * 1024;
  }, 0);

/** The cores that this process may use: `0-3,6`. */
export const allowedCores = (): readonly number[] => {
  const [, ranges = ""] = /^Cpus_allowed_list:\s+(\S+)/m.exec(read("/proc/self/status")) ?? [];
  return ranges.split(",").flatMap((range) => {
    const [from, to = from] = range.split("-").map(Number);
    return from === undefined || to === undefined
      ? []
      : Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
};

/** Who runs where: the server has a core of its own, and the load has the others. */
export interface Places {
  readonly server: number | undefined;
  readonly load: readonly number[];
  /** Why nothing is pinned; undefined when it is. */
  readonly whyFree: string | undefined;
}

export const places = (): Places => {
  const [server, ...load] = allowedCores();
  const free = (whyFree: string): Places => ({ server: undefined, load: [], whyFree });
  if (!Bun.which("taskset")) return free("there is no taskset here");
  if (server === undefined || load.length === 0) return free("there is only one core");
  return { server, load, whyFree: undefined };
};

/** Keeps this process, with all its threads, on some cores until it is disposed of. */
export const stayOn = (...cores: readonly number[]): Disposable => {
  const before = allowedCores();
  const pin = (to: readonly number[]) => {
    if (cores.length > 0) Bun.spawnSync(["taskset", "-a", "-c", "-p", to.join(), `${process.pid}`]);
  };
  pin(cores);
  return { [Symbol.dispose]: () => pin(before) };
};

/** The beginning of a command line that stays on these cores. */
export const pinTo = (...cores: readonly number[]): readonly string[] =>
  cores.length > 0 ? ["taskset", "-c", cores.join()] : [];

const IDLY = ["setsid", "chrt", "--idle", "0"] as const;

/**
 * The beginning of a command line that has a core only while nobody else wants it (`SCHED_IDLE`,
 * sched(7)), in a session of its own; undefined where there is no such thing, or where what it takes is
 * taken from the others, as in a container whose time is limited.
 */
export const idly = (): readonly string[] | undefined =>
  /^(max |$)/.test(read("/sys/fs/cgroup/cpu.max")) &&
  IDLY.slice(0, 2).every((name) => Bun.which(name)) &&
  Bun.spawnSync([...IDLY, "true"]).success
    ? IDLY
    : undefined;
