import { describe, expect, test } from "bun:test";
import { metricsOf, readHost, readPortable, type Reading } from "../src/metrics.ts";
import { parseCpu, parseLoad, parseMemory, parseNetwork } from "../src/proc.ts";

const STAT = `cpu  100 20 30 1000 50 1 2 3 40 5
cpu0 50 10 15 500 25 1 1 2 20 2
intr 12345 0 0
ctxt 99
`;

const MEMINFO = `MemTotal:       24684096 kB
MemFree:        24034668 kB
MemAvailable:   24298272 kB
HugePages_Total:       0
`;

const NET_DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 8943371977 29434316    0    0    0     0          0         0 8943371977 29434316    0    0    0     0       0          0
  eth0: 223722027    5666    0    0    0     0          0         0   327556    3518    0    0    0     0       0          0
wlan0:1000 1 0 0 0 0 0 0 2000 2 0 0 0 0 0 0
`;

describe("what /proc tells", () => {
  test("load", () =>
    expect(parseLoad("0.76 1.58 12.31 2/96 14900\n")).toEqual([0.76, 1.58, 12.31]));

  // user, nice, system, irq, softirq and steal are busy; the guest's time is in the user's.
  test("processor time", () =>
    expect(parseCpu(STAT)).toEqual({ busy: 156, total: 100 + 20 + 30 + 1000 + 50 + 1 + 2 + 3 }));

  test("processor time of an old kernel, with four columns", () =>
    expect(parseCpu("cpu  1 2 3 4\n")).toEqual({ busy: 6, total: 10 }));

  test("memory", () =>
    expect(parseMemory(MEMINFO)).toEqual({
      totalBytes: 24_684_096 * 1024,
      usedBytes: (24_684_096 - 24_298_272) * 1024,
    }));

  test("network, without the loopback", () =>
    expect(parseNetwork(NET_DEV)).toEqual({ inBytes: 223_723_027, outBytes: 329_556 }));

  test.each(["", "nonsense", "cpu  x y\n", "MemTotal: 5 kB\n", "    lo: 1 2 3\n"])(
    "what %j does not tell is null",
    (text) => {
      expect(parseLoad(text)).toBeNull();
      expect(parseCpu(text)).toBeNull();
      expect(parseMemory(text)).toBeNull();
      expect(parseNetwork(text)).toBeNull();
    },
  );
});

const reading = (at: number, rest: Partial<Reading> = {}): Reading => ({
  at,
  load: [1, 2, 3],
  cpu: { busy: 100, total: 1000 },
  memory: { usedBytes: 1, totalBytes: 2 },
  network: { inBytes: 1000, outBytes: 500 },
  ...rest,
});

test("shares and rates are over the time between two readings", () => {
  const now = reading(2_000, {
    cpu: { busy: 125, total: 1100 },
    network: { inBytes: 4_001, outBytes: 500 },
  });
  expect(metricsOf(reading(0), now)).toEqual({
    host: expect.any(String),
    load1: 1,
    load5: 2,
    load15: 3,
    cpuBusyPercent: 25,
    memoryUsedBytes: 1,
    memoryTotalBytes: 2,
    networkInBytes: 4_001,
    networkOutBytes: 500,
    networkInBytesPerSecond: 1500.5,
    networkOutBytesPerSecond: 0,
  });
});

test("what could not be told is null and never 0", () => {
  const backwards = metricsOf(
    reading(0),
    reading(1_000, { network: { inBytes: 10, outBytes: 600 }, cpu: { busy: 100, total: 1000 } }),
  );
  expect(backwards).toMatchObject({
    networkInBytes: 10,
    networkInBytesPerSecond: null,
    networkOutBytesPerSecond: 100,
    cpuBusyPercent: null,
  });
  const blind = reading(1_000, { load: null, cpu: null, memory: null, network: null });
  const { host: _, ...members } = metricsOf(reading(0), blind);
  expect(new Set(Object.values(members))).toEqual(new Set([null]));
  expect(metricsOf(blind, reading(2_000)).networkInBytesPerSecond).toBeNull();
});

test("what the platform does not have is left out", () => {
  const members = (platform: NodeJS.Platform) =>
    Object.keys(metricsOf(readPortable(platform), readPortable(platform)));
  const common = ["host", "cpuBusyPercent", "memoryUsedBytes", "memoryTotalBytes"];
  expect(members("win32").sort()).toEqual(common.toSorted());
  expect(members("darwin").sort()).toEqual([...common, "load1", "load5", "load15"].sort());
});

test("this machine tells its memory and its processors", () => {
  const { memory, cpu } = readHost();
  expect(memory?.totalBytes).toBeGreaterThan(memory?.usedBytes ?? Infinity);
  expect(cpu?.total).toBeGreaterThan(cpu?.busy ?? Infinity);
});
