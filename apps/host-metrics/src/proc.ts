// What Linux tells about the machine, read from the texts of /proc [proc(5)]. Every parser is
// pure, and answers null for what a text does not tell.

/** `/proc/loadavg`: the load over 1, 5 and 15 minutes. */
export const parseLoad = (text: string): readonly [number, number, number] | null => {
  const [, load1, load5, load15] = /^([\d.]+) ([\d.]+) ([\d.]+) /.exec(text) ?? [];
  return load1 && load5 && load15 ? [Number(load1), Number(load5), Number(load15)] : null;
};

/** Time that all processors together spent, in a unit that the platform chooses. */
export interface CpuTime {
  readonly busy: number;
  readonly total: number;
}

/** `/proc/stat`. Waiting for a disk is idle time; a guest's time is in the user's already. */
export const parseCpu = (text: string): CpuTime | null => {
  const times = /^cpu +([\d ]+)$/m.exec(text)?.[1]?.trim().split(" ").slice(0, 8).map(Number);
  const [, , , idle, ioWait = 0] = times ?? [];
  if (!times || idle === undefined) return null;
  const total = times.reduce((sum, time) => sum + time, 0);
  return { busy: total - idle - ioWait, total };
};

export interface Memory {
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/** `/proc/meminfo`. Used is what a new program could not have: caches do not count. */
export const parseMemory = (text: string): Memory | null => {
  const bytes = (name: string) => {
    const [, kibibytes] = new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(text) ?? [];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  };
  const totalBytes = bytes("MemTotal");
  const available = bytes("MemAvailable");
  if (totalBytes === null || available === null) return null;
  return { totalBytes, usedBytes: totalBytes - available };
};

/** Bytes since the machine started. */
export interface Network {
  readonly inBytes: number;
  readonly outBytes: number;
}

/** `/proc/net/dev`: all interfaces but the loopback, on which our own events travel. */
export const parseNetwork = (text: string): Network | null => {
  const interfaces = text
    .split("\n")
    .map((line) => /^ *([^:]+): *([\d ]+)$/.exec(line))
    .filter((match) => match !== null && match[1] !== "lo")
    .map((match) => match?.[2]?.trim().split(/ +/).map(Number) ?? []);
  if (interfaces.length === 0) return null;
  const sum = (column: number) =>
    interfaces.reduce((total, counters) => total + (counters[column] ?? 0), 0);
  return { inBytes: sum(0), outBytes: sum(8) };
};
