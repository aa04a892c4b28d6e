import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { git, gitPath } from "./git.ts";

const BEGIN = "# >>> tidings: each commit becomes an event (bun run git-hook uninstall)";
const END = "# <<< tidings";

// A hook that we made ourselves begins like this. What is left of it then goes with the block.
const OURS = "#!/bin/sh\n# Made by `bun run git-hook install`.";

const SHELL = /^#! *(\S*\/)?(env +(-S +)?)?(\S*\/)?(ba|da|z|k|mk|a)?sh( [^\n]*)?(\n|$)/;

/** A text as one word of the shell, whatever is in it. */
export const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

export interface Programs {
  /** The bun that published last; when it is gone, the one on the PATH does. */
  readonly bun: string;
  readonly main: string;
}

/**
 * What the hook does. HEAD is read before the commit returns, because the next commit may follow
 * at once; everything else runs in the background and cannot fail or delay a commit. It runs in
 * `/`, because bun would take the repository's bunfig.toml and .env for its own, and it shall
 * outlive the hook, which `noOrphans` would forbid. The subshell leaves the rest of the hook as it
 * was.
 */
export const block = ({ bun, main }: Programs) => `${BEGIN}
(
  bun=${quote(bun)}
  [ -x "$bun" ] || bun=$(command -v bun) || exit 0
  main=${quote(main)}
  [ -f "$main" ] || exit 0
  set -- $(git rev-parse HEAD --symbolic-full-name HEAD) "$PWD"
  cd /
  unset BUN_FEATURE_FLAG_NO_ORPHANS
  "$bun" "$main" publish --commit "$1" --ref "$2" "$3" </dev/null >/dev/null &
) 2>/dev/null || true
${END}`;

/** Puts the block below the first line: further down, an `exit` or `exec` could be before it. */
export const withBlock = (hook: string, text: string): string => {
  const rest = withoutBlock(hook);
  const end = rest.startsWith(OURS) ? OURS.length : rest.indexOf("\n");
  const at = end < 0 ? rest.length : end;
  return `${rest.slice(0, at)}\n${text}${rest.slice(at)}`;
};

/** Takes exactly the block out, and the line end that came with it. */
export const withoutBlock = (hook: string): string => {
  const begin = hook.indexOf(`\n${BEGIN}`);
  if (begin < 0) return hook;
  const end = hook.indexOf(END, begin);
  if (end < 0)
    throw new Error(`the line ${JSON.stringify(END)} is missing; take the block out by hand`);
  return hook.slice(0, begin) + hook.slice(end + END.length);
};

/** Where a repository's post-commit hook is or would be. */
export const hookPath = async (repository: string): Promise<string> =>
  join(await gitPath(repository, "--git-path", "hooks"), "post-commit");

/** Whether a commit could take the hook along: git has it already, or does not ignore it. */
export const isVersioned = async (repository: string): Promise<boolean> => {
  const listed = ["ls-files", "--cached", "--others", "--exclude-standard", "--"];
  // Outside of the worktree there is nothing to list.
  return (await git(repository, ...listed, await hookPath(repository)).catch(() => "")) !== "";
};

// A path without links, of which the end need not exist yet.
const real = (path: string): string =>
  existsSync(path) ? realpathSync(path) : join(real(dirname(path)), basename(path));

/** Throws where a hook would never run, or would run for other repositories as well. */
const checkPlace = async (repository: string, hook: string): Promise<void> => {
  if ((await git(repository, "rev-parse", "--is-inside-work-tree")) !== "true")
    throw new Error(`${repository} has no worktree, so nobody commits there`);
  const homes = ["--show-toplevel", "--git-common-dir"].map((name) => gitPath(repository, name));
  const folder = real(dirname(hook));
  if (!(await Promise.all(homes)).some((home) => `${folder}/`.startsWith(`${real(home)}/`)))
    throw new Error(
      `${folder} lies outside the repository, where others may share it; give this one a folder of its own: git config core.hooksPath <folder>`,
    );
};

// Bytes as characters: a hook in another encoding than UTF-8 comes out as it went in.
const read = (path: string): string | undefined => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isSymbolicLink())
    throw new Error(
      `${path} is a link, and others may share what it leads to, so it stays as it is`,
    );
  if (stat && !stat.isFile()) throw new Error(`${path} is not a file, so it stays as it is`);
  return stat && readFileSync(path, "latin1");
};
const write = (path: string, hook: string) => writeFileSync(path, hook, "latin1");
const asBytes = (text: string) => Buffer.from(text).toString("latin1");

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Returns what was done, in a line. Throws, with the cure, when a hook must not be touched. */
export const install = async (repository: string, programs: Programs): Promise<string> => {
  const path = await hookPath(repository);
  await checkPlace(repository, path);
  const hook = read(path);
  const text = asBytes(block(programs));
  if (hook === undefined || hook === "") {
    mkdirSync(dirname(path), { recursive: true });
    write(path, `${OURS}\n${text}\n`);
    chmodSync(path, 0o755);
    return `installed ${path}`;
  }
  const { bun, main } = programs;
  if (!SHELL.test(hook))
    throw new Error(
      `${path} is not a shell script, so it stays as it is; let it run this in the background: ${quote(bun)} ${quote(main)} publish`,
    );
  if (!isExecutable(path))
    throw new Error(`${path} is not executable, so git ignores it; make it so, or remove it`);
  const changed = withBlock(hook, text);
  if (changed === hook) return `is installed already in ${path}`;
  write(path, changed);
  return `installed in ${path}, beside what it did before`;
};

/** Returns what was done, in a line. */
export const uninstall = async (repository: string): Promise<string> => {
  const path = await hookPath(repository);
  const hook = read(path);
  const rest = hook === undefined ? undefined : withoutBlock(hook);
  if (hook === undefined || rest === undefined || rest === hook)
    return `is not installed in ${path}`;
  if (rest === `${OURS}\n`) rmSync(path);
  else write(path, rest);
  return `uninstalled from ${path}`;
};
