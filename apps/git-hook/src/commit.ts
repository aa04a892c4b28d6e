import { basename, dirname } from "node:path";
import { git, gitPath } from "./git.ts";

/** The data of a `git.commit` event. */
export interface Commit {
  /** The full hash. */
  readonly commit: string;
  /** The author's name; the address is nobody's business. */
  readonly author: string;
  /** The message's first paragraph in one line; at most 1,000 characters. */
  readonly subject: string;
  /** `null` when HEAD is detached. */
  readonly branch: string | null;
  /** The name of the repository's main folder, in its worktrees as well. */
  readonly repository: string;
  readonly filesChanged: number;
  /** Lines; a binary file has none. */
  readonly insertions: number;
  readonly deletions: number;
}

const MAX_SUBJECT = 1_000;

/** What HEAD is at this moment: a commit, and the ref that it was made on (`HEAD` if detached). */
export const readHead = async (path: string): Promise<{ commit: string; ref: string }> => {
  const answer = await git(path, "rev-parse", "HEAD", "--symbolic-full-name", "HEAD");
  const [commit = "", ref = ""] = answer.split("\n");
  return { commit, ref };
};

/** Reads a commit. The options keep what the user's configuration could change out of it. */
export const readCommit = async (path: string, hash: string, ref: string): Promise<Commit> => {
  const answer = await git(
    path,
    "show",
    ...["--no-show-signature", "--no-color", "--no-ext-diff", "--no-textconv", "--encoding=UTF-8"],
    // A merge is measured against its first parent: what it brought to the branch.
    ...["-m", "--first-parent", "--numstat", "--format=%H%x00%an%x00%s%x00", hash, "--"],
  );
  const [commit = "", author = "", subject = "", numbers = ""] = answer.split("\0");
  const files = numbers
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
  const sum = (column: number) =>
    files.reduce((total, file) => total + (Number(file[column]) || 0), 0);
  const folder = await gitPath(path, "--git-common-dir");
  return {
    commit,
    author,
    // The cut may go through a character.
    subject: subject.slice(0, MAX_SUBJECT).toWellFormed(),
    branch: ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : null,
    repository: basename(basename(folder) === ".git" ? dirname(folder) : folder, ".git"),
    filesChanged: files.length,
    insertions: sum(0),
    deletions: sum(1),
  };
};
