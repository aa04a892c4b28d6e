import { cpus, release, totalmem } from "node:os";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { idly, type Places } from "./machine.ts";
import type { Conditions } from "./result.ts";

const root = resolve(import.meta.dir, "../../..");

/** What a command prints; undefined when there is no such command, or it fails. */
const textFrom = (...command: readonly string[]): string | undefined => {
  try {
    const { success, stdout } = Bun.spawnSync([...command], { cwd: root, stderr: "ignore" });
    return success ? `${stdout}`.trim() : undefined;
  } catch {
    return undefined;
  }
};

const versionOf = (name: string, from: string): string =>
  JSON.parse(readFileSync(Bun.resolveSync(`${name}/package.json`, from), "utf8")).version;

/** How many files a process may have open; 0 when the system does not say. */
export const maxDescriptors = (): number => {
  const said = textFrom("sh", "-c", "ulimit -n");
  return said === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(said) || 0;
};

/** One hash over what figures are held against: baselines, peers, and the work that shows the core's pace. */
const yardsticks = (): string => {
  const cwd = resolve(import.meta.dir, "..");
  const hash = new Bun.CryptoHasher("sha256");
  for (const path of [
    ...new Bun.Glob("{baselines/*.*,peers/*.*,src/load/probe.ts}").scanSync(cwd),
  ].sort())
    hash.update(`${path}\n`).update(readFileSync(resolve(cwd, path)));
  return hash.digest("hex");
};

/** Under which conditions a bench is run. */
export const conditionsOf = (
  places: Places,
  flags: readonly string[],
  peers: Readonly<Record<string, string>>,
): Conditions => {
  const all = cpus();
  return {
    commit: textFrom("git", "rev-parse", "HEAD") ?? "unknown",
    dirty: (textFrom("git", "status", "--porcelain") ?? "") !== "",
    versions: {
      bun: Bun.version,
      elysia: versionOf("elysia", resolve(root, "packages/shared")),
      kernel: `${process.platform} ${release()}`,
      ...peers,
    },
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memoryBytes: totalmem(),
    limits: { descriptors: maxDescriptors() },
    yardsticks: yardsticks(),
    pinned: places.whyFree ?? {
      server: places.server ?? 0,
      load: places.load[0] ?? 0,
      awake: idly() !== undefined,
    },
    flags,
  };
};
