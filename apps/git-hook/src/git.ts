import { resolve } from "node:path";

/** What git answers, without its last line end. Throws git's own complaint, in one line. */
export const git = async (path: string, ...args: string[]): Promise<string> => {
  const child = Bun.spawn(["git", "-C", path, ...args], { stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code === 0) return out.replace(/\n$/, "");
  throw new Error(err.trim().split("\n")[0] || `git ${args[0]} failed in ${path}`);
};

/** A path that git names, relative to where it was asked. */
export const gitPath = async (path: string, ...args: string[]): Promise<string> =>
  resolve(path, await git(path, "rev-parse", ...args));
