import { readFileSync } from "node:fs";
import os from "node:os";
import {
  parseCpu,
  parseLoad,
  parseMemory,
  parseNetwork,
  type CpuTime,
  type Memory,
  type Network,
} from "./proc.ts";

/** One look at the machine. A part that the platform does not have is missing; null: not told. */
export interface Reading {
  /** When, in milliseconds on the monotonic clock. */
  readonly at: number;
  readonly load?: readonly [number, number, number] | null;
  readonly cpu: CpuTime | null;
  readonly memory: Memory | null;
  readonly network?: Network | null;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

const readLinux = (): Reading => ({
  at: performance.now(),
  load: parseLoad(read("/proc/loadavg")),
  cpu: parseCpu(read("/proc/stat")),
  memory: parseMemory(read("/proc/meminfo")),
  network: parseNetwork(read("/proc/net/dev")),
});

/** What `node:os` tells everywhere: no network counters, and no load on Windows. */
export const readPortable = (platform = process.platform): Reading => {
  const cpus = os.cpus().map(({ times }) => times);
  const total = cpus.flatMap(Object.values<number>).reduce((sum, time) => sum + time, 0);
  const idle = cpus.reduce((sum, times) => sum + times.idle, 0);
  const [load1 = 0, load5 = 0, load15 = 0] = os.loadavg();
  return {
    at: performance.now(),
    ...(platform === "win32" ? {} : { load: [load1, load5, load15] }),
    cpu: cpus.length > 0 ? { busy: total - idle, total } : null,
    memory: { totalBytes: os.totalmem(), usedBytes: os.totalmem() - os.freemem() },
  };
};

export const readHost = process.platform === "linux" ? readLinux : readPortable;

export type Metrics = Readonly<Record<string, number | string | null>>;

const round = (value: number) => Math.round(value * 10) / 10;

/**
 * What is published: the newer reading, and the shares and rates between the two. A counter that
 * went backwards, because an interface has gone for instance, gives no rate.
 */
export const metricsOf = (before: Reading, now: Reading): Metrics => {
  const seconds = (now.at - before.at) / 1000;
  const growth = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined || to < from ? null : to - from;
  const rate = (from: number | undefined, to: number | undefined) => {
    const grown = growth(from, to);
    return grown === null || seconds <= 0 ? null : round(grown / seconds);
  };
  const busy = growth(before.cpu?.busy, now.cpu?.busy);
  const total = growth(before.cpu?.total, now.cpu?.total);
  const { load, memory, network } = now;
  return {
    host: os.hostname(),
    ...(load !== undefined && {
      load1: load?.[0] ?? null,
      load5: load?.[1] ?? null,
      load15: load?.[2] ?? null,
    }),
    cpuBusyPercent: busy === null || !total ? null : Math.min(100, round((100 * busy) / total)),
    memoryUsedBytes: memory?.usedBytes ?? null,
    memoryTotalBytes: memory?.totalBytes ?? null,
    ...(network !== undefined && {
      networkInBytes: network?.inBytes ?? null,
      networkOutBytes: network?.outBytes ?? null,
      networkInBytesPerSecond: rate(before.network?.inBytes, network?.inBytes),
      networkOutBytesPerSecond: rate(before.network?.outBytes, network?.outBytes),
    }),
  };
};
