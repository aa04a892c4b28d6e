import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { install } from "../src/hook.ts";

const root = resolve(import.meta.dir, "../../..");
const main = join(root, "apps/git-hook/src/main.ts");

// Everything lies in one folder whose name is hard on whoever quotes badly.
let folder = "";
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), `it's a "test" $HOME \`x\` é `)));
});
afterAll(() => rmSync(folder, { recursive: true }));

// The tests may themselves run within a hook, and the user's configuration is not theirs.
const environment = (rest: Record<string, string> = {}) => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"))),
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  TIDINGS_URLS: "",
  TIDINGS_TOKEN: "",
  ...rest,
});

const run = async (command: string[], cwd: string, env: Record<string, string> = {}) => {
  const child = Bun.spawn(command, {
    cwd,
    env: environment(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
};

const git = async (cwd: string, args: string[], env?: Record<string, string>) => {
  const author = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org"];
  const result = await run(["git", ...author, ...args], cwd, env);
  if (result.code !== 0) throw new Error(`git ${args.join(" ")}: ${result.stderr}`);
  return result.stdout.trim();
};

const hook = (args: string[], env?: Record<string, string>) =>
  run([process.execPath, main, ...args], folder, env);

let repositories = 0;
const repository = async () => {
  const path = join(folder, `repository ${++repositories}`);
  await git(folder, ["init", "--quiet", "--initial-branch", "main", path]);
  return path;
};

let files = 0;
const commit = async (path: string, subject: string, env?: Record<string, string>) => {
  writeFileSync(join(path, `file-${++files}.txt`), "one\ntwo\n");
  await git(path, ["add", "."], env);
  await git(path, ["commit", "--quiet", "-m", subject], env);
  return git(path, ["rev-parse", "HEAD"]);
};

interface Published {
  readonly key: string | null;
  readonly body: { readonly type: string; readonly data: Record<string, unknown> };
}

/** A server that takes every event. `next` resolves with one, in the order of arrival. */
const startListener = (answer?: Promise<void>) => {
  const arrived: Published[] = [];
  const waiting: ((published: Published) => void)[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body: Published["body"] = JSON.parse(await request.text());
      const published = { key: request.headers.get("idempotency-key"), body };
      const wait = waiting.shift();
      if (wait) wait(published);
      else arrived.push(published);
      await answer;
      return Response.json({ ...body, id: "1-1", time: "2026-11-20T21:48:00.000Z" });
    },
  });
  return {
    env: { TIDINGS_URLS: server.url.origin },
    next: async () => arrived.shift() ?? new Promise<Published>((done) => waiting.push(done)),
    arrived,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
};

test("each commit becomes an event, and none is lost when they follow at once", async () => {
  await using listener = startListener();
  const path = await repository();
  expect(await hook(["install", path])).toEqual({
    code: 0,
    stdout: `git-hook: installed ${join(path, ".git/hooks/post-commit")}\n`,
    stderr: "",
  });
  const first = await commit(path, `Say "it's" – $(date) & more`, listener.env);
  expect(await listener.next()).toEqual({
    key: first,
    body: {
      type: "git.commit",
      data: {
        commit: first,
        author: "Ada Lovelace",
        subject: `Say "it's" – $(date) & more`,
        branch: "main",
        repository: path.slice(folder.length + 1),
        filesChanged: 1,
        insertions: 2,
        deletions: 0,
      },
    },
  });
  const hashes = [];
  for (let n = 0; n < 5; n++) hashes.push(await commit(path, `Quick ${n}`, listener.env));
  const seen = [];
  for (const _ of hashes) seen.push((await listener.next()).key);
  expect(seen.sort()).toEqual(hashes.sort());
});

test("a commit event reaches a real server, once", async () => {
  const server = Bun.spawn([process.execPath, "--no-orphans", "scripts/serve.ts", "sse"], {
    cwd: root,
    env: environment(),
    stdin: "ignore",
    stdout: "pipe",
  });
  try {
    let url = "";
    for await (const chunk of server.stdout) {
      url = Buffer.from(chunk).toString().trim().replace("ready ", "");
      break;
    }
    const path = await repository();
    await hook(["install", path]);
    const stream = await fetch(`${url}/events?after=0-0`);
    const hash = await commit(path, "Reach a server", { TIDINGS_URLS: url });
    let text = "";
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes("git.commit")) break;
    }
    expect(text).toContain(`"data":{"commit":"${hash}","author":"Ada Lovelace"`);

    // By hand, with the list that `bun start` writes: the same event again, so the same id.
    const list = join(folder, "servers.json");
    const servers = [
      { name: "sse", url, publish: true },
      { name: "fed by another", url: "http://127.0.0.1:1", publish: false },
    ];
    writeFileSync(list, JSON.stringify({ pid: process.pid, servers }));
    const publish = [process.execPath, main, "publish", path];
    const byHand = await run(["env", "-u", "TIDINGS_URLS", ...publish], folder, {
      TIDINGS_SERVERS: list,
    });
    expect(byHand).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^sse  \d+-1\n$/),
      stderr: "",
    });
  } finally {
    server.kill();
    await server.exited;
  }
});

test("a commit never waits for a server", async () => {
  const { promise: answer, resolve: release } = Promise.withResolvers<void>();
  await using listener = startListener(answer);
  const path = await repository();
  await hook(["install", path]);
  // The commit returns although nothing was answered, and the event is on its way.
  const hash = await commit(path, "Do not wait", listener.env);
  expect((await listener.next()).key).toBe(hash);
  release();
});

test("without a server, without bun or without the project, a commit is what it was", async () => {
  const path = await repository();
  await hook(["install", path]);
  await commit(path, "No server");
  await commit(path, "A server that is away", { TIDINGS_URLS: "http://127.0.0.1:1,nonsense" });

  const bin = join(folder, "bin with git");
  mkdirSync(bin);
  symlinkSync(Bun.which("git") ?? "", join(bin, "git"));
  const PATH = bin;
  const said = async (subject: string, env: Record<string, string>) => {
    const before = await git(path, ["rev-parse", "HEAD"]);
    const args = ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--allow-empty"];
    const result = await run(["git", ...args, "-q", "-m", subject], path, env);
    expect(await git(path, ["rev-parse", "HEAD"])).not.toBe(before);
    return result;
  };
  await install(path, { bun: join(folder, "gone/bun"), main });
  expect(await said("No bun", { PATH })).toEqual({ code: 0, stdout: "", stderr: "" });
  await install(path, { bun: process.execPath, main: join(folder, "gone/main.ts") });
  expect(await said("No project", { PATH })).toEqual({ code: 0, stdout: "", stderr: "" });

  // A bun that has moved is found on the PATH.
  await using listener = startListener();
  await install(path, { bun: join(folder, "gone/bun"), main });
  symlinkSync(process.execPath, join(bin, "bun"));
  await said("Another bun", { PATH, ...listener.env });
  expect((await listener.next()).body.data.subject).toBe("Another bun");
});

test("programs whose paths are hard to quote are found", async () => {
  await using listener = startListener();
  const path = await repository();
  const programs = { bun: join(folder, "bun 'here'"), main: join(folder, "main 'there'.ts") };
  symlinkSync(process.execPath, programs.bun);
  symlinkSync(main, programs.main);
  await install(path, programs);
  const hash = await commit(path, "Quoted", { PATH: process.env.PATH ?? "", ...listener.env });
  expect((await listener.next()).key).toBe(hash);
});

test("the repository's own settings for bun are not the hook's", async () => {
  await using listener = startListener();
  const path = await repository();
  await hook(["install", path]);
  writeFileSync(join(path, "bunfig.toml"), 'preload = ["./broken.ts"]\n[run]\nnoOrphans = true\n');
  writeFileSync(join(path, "broken.ts"), "throw new Error();\n");
  writeFileSync(join(path, ".env"), "TIDINGS_TOKEN=not-for-us\n");
  const hash = await commit(path, "Configured", {
    ...listener.env,
    BUN_FEATURE_FLAG_NO_ORPHANS: "1",
  });
  expect((await listener.next()).key).toBe(hash);
});

test("publish by hand says when no server is running, and which one does not answer", async () => {
  const path = await repository();
  await commit(path, "First");
  expect(await hook(["publish", path])).toEqual({
    code: 1,
    stdout: "",
    stderr: "git-hook: no server is running; start them with `bun start`\n",
  });
  const away = await hook(["publish", path], { TIDINGS_URLS: "http://127.0.0.1:1" });
  expect(away.code).toBe(1);
  expect(away.stderr).toStartWith("http://127.0.0.1:1  failed: ");
});

test("what a commit is: branches, merges, binary files, and no branch at all", async () => {
  await using listener = startListener();
  const path = await repository();
  await hook(["install", path]);
  const next = async () => (await listener.next()).body.data;
  await commit(path, "Base", listener.env);
  await next();

  await git(path, ["checkout", "--quiet", "-b", "topic/one"]);
  writeFileSync(join(path, "picture"), new Uint8Array([0, 1, 2]));
  await commit(path, "Add a picture", listener.env);
  expect(await next()).toMatchObject({ branch: "topic/one", filesChanged: 2, insertions: 2 });

  await git(path, ["checkout", "--quiet", "main"]);
  await commit(path, "Go on", listener.env);
  await next();
  await git(path, ["merge", "--quiet", "--no-ff", "--no-commit", "topic/one"]);
  await git(path, ["commit", "--quiet", "-m", "Merge"], listener.env);
  expect(await next()).toMatchObject({ subject: "Merge", filesChanged: 2, insertions: 2 });

  await git(path, ["checkout", "--quiet", "--detach"]);
  writeFileSync(join(path, "picture"), "text now\n");
  await commit(path, "On no branch\nat all\n\nThe body.", listener.env);
  expect(await next()).toMatchObject({ branch: null, subject: "On no branch at all" });

  // A character that the cut goes through is replaced: half of one is not Unicode.
  const most = "a".repeat(999);
  await commit(path, `${most}😀`, listener.env);
  expect(await next()).toMatchObject({ subject: `${most}\ufffd` });
});

test("a worktree has its repository's hook, name and its own branch", async () => {
  await using listener = startListener();
  const path = await repository();
  await commit(path, "Base");
  const worktree = join(folder, "a worktree");
  await git(path, ["worktree", "add", "--quiet", "-b", "side", worktree]);
  const { stdout } = await hook(["install", worktree]);
  expect(stdout).toBe(`git-hook: installed ${join(path, ".git/hooks/post-commit")}\n`);
  await commit(worktree, "In the worktree", listener.env);
  expect((await listener.next()).body.data).toMatchObject({
    branch: "side",
    repository: path.slice(folder.length + 1),
  });
});

test("core.hooksPath is respected, from a subfolder as well", async () => {
  await using listener = startListener();
  const path = await repository();
  mkdirSync(join(path, "deep"));
  await git(path, ["config", "core.hooksPath", "own hooks"]);
  const { code, stdout, stderr } = await hook(["install", join(path, "deep")]);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `git-hook: installed ${join(path, "own hooks/post-commit")}\n`,
  });
  // Nobody shall find another machine's paths in what he pulls.
  expect(stderr).toMatch(
    /^git-hook: git does not ignore this file; keep it out of your commits.*\n$/,
  );
  expect(existsSync(join(path, ".git/hooks/post-commit"))).toBeFalse();
  await commit(path, "Own hooks", listener.env);
  expect((await listener.next()).body.data.subject).toBe("Own hooks");
});

test("a hook that git ignores is no matter for commits", async () => {
  const path = await repository();
  await git(path, ["config", "core.hooksPath", "own"]);
  writeFileSync(join(path, ".gitignore"), "own/\n");
  expect(await hook(["install", path])).toMatchObject({ code: 0, stderr: "" });
});

test("hooks that other repositories share are left alone", async () => {
  const shared = join(folder, "shared hooks");
  const config = join(folder, "config");
  await git(folder, ["config", "--file", config, "core.hooksPath", shared]);
  const path = await repository();
  const { code, stderr } = await hook(["install", path], { GIT_CONFIG_GLOBAL: config });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^git-hook: .*shared hooks lies outside the repository, .*\n$/);
  expect(existsSync(shared)).toBeFalse();
});

test("a hook that is a link is left alone, by uninstall as well", async () => {
  const path = await repository();
  const target = join(folder, "shared by links");
  await hook(["install", path]);
  const file = join(path, ".git/hooks/post-commit");
  renameSync(file, target);
  symlinkSync(target, file);
  const before = readFileSync(target, "utf8");
  for (const command of ["install", "uninstall"])
    expect(await hook([command, path])).toEqual({
      code: 2,
      stdout: "",
      stderr: `git-hook: ${file} is a link, and others may share what it leads to, so it stays as it is\n`,
    });
  expect(readFileSync(target, "utf8")).toBe(before);
});

test("where there can be no hook, a line says so", async () => {
  const bare = join(folder, "bare.git");
  await git(folder, ["init", "--quiet", "--bare", bare]);
  expect((await hook(["install", bare])).stderr).toBe(
    `git-hook: ${bare} has no worktree, so nobody commits there\n`,
  );
  const path = await repository();
  const file = join(path, ".git/hooks/post-commit");
  mkdirSync(file, { recursive: true });
  expect((await hook(["install", path])).stderr).toBe(
    `git-hook: ${file} is not a file, so it stays as it is\n`,
  );
  await git(path, ["config", "core.hooksPath", ".git/config"]);
  expect((await hook(["uninstall", path])).stderr).toBe(
    `git-hook: cannot lstat '${join(path, ".git/config/post-commit")}': not a directory\n`,
  );
});

test("an empty hook does nothing, so ours takes its place", async () => {
  await using listener = startListener();
  const path = await repository();
  const file = join(path, ".git/hooks/post-commit");
  mkdirSync(join(path, ".git/hooks"), { recursive: true });
  writeFileSync(file, "", { mode: 0o755 });
  expect(await hook(["install", path])).toMatchObject({ code: 0, stderr: "" });
  const hash = await commit(path, "Once empty", listener.env);
  expect((await listener.next()).key).toBe(hash);
});

test("installing twice changes nothing; uninstalling takes the file that we made", async () => {
  const path = await repository();
  const file = join(path, ".git/hooks/post-commit");
  await hook(["install", path]);
  const once = readFileSync(file);
  expect(await hook(["install", path])).toMatchObject({
    code: 0,
    stdout: `git-hook: is installed already in ${file}\n`,
  });
  expect(readFileSync(file)).toEqual(once);
  expect(await hook(["uninstall", path])).toMatchObject({
    code: 0,
    stdout: `git-hook: uninstalled from ${file}\n`,
  });
  expect(existsSync(file)).toBeFalse();
  expect(await hook(["uninstall", path])).toMatchObject({
    code: 0,
    stdout: `git-hook: is not installed in ${file}\n`,
  });
});

test("what was added to our hook stays when we go", async () => {
  const path = await repository();
  const file = join(path, ".git/hooks/post-commit");
  await hook(["install", path]);
  writeFileSync(file, `${readFileSync(file, "utf8")}echo mine\n`);
  await hook(["uninstall", path]);
  expect(readFileSync(file, "utf8")).toEndWith("\necho mine\n");
  expect(readFileSync(file, "utf8")).not.toContain("tidings");
});

test.each([
  ["#!/bin/sh\necho done > done.txt\nexit 0\n"],
  ["#!/bin/sh -eu\necho done > done.txt"],
  ["#!/usr/bin/env bash\nset -euo pipefail\nexec sh -c 'echo done > done.txt'\n"],
])("an existing hook is kept and still runs: %j", async (text) => {
  await using listener = startListener();
  const path = await repository();
  const file = join(path, ".git/hooks/post-commit");
  // Bytes that are no UTF-8 stay what they are, too.
  const before = Buffer.concat([Buffer.from(text), Buffer.from([0x0a, 0x23, 0xe9, 0xff])]);
  mkdirSync(join(path, ".git/hooks"), { recursive: true });
  writeFileSync(file, before);
  chmodSync(file, 0o750);

  const { code, stdout } = await hook(["install", path]);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `git-hook: installed in ${file}, beside what it did before\n`,
  });
  await hook(["install", path]);
  await commit(path, "Both", listener.env);
  expect((await listener.next()).body.data.subject).toBe("Both");
  expect(listener.arrived).toEqual([]);
  expect(readFileSync(join(path, "done.txt"), "utf8")).toBe("done\n");

  await hook(["uninstall", path]);
  expect(readFileSync(file)).toEqual(before);
  expect(statSync(file).mode & 0o777).toBe(0o750);
});

test.each([
  ["#!/usr/bin/env python3\nprint('x')\n", 0o755, "is not a shell script"],
  ["\x7fELF\0\0", 0o755, "is not a shell script"],
  ["#!/bin/sh\necho off\n", 0o644, "is not executable"],
])("a hook that must not be touched is not: %j", async (text, mode, problem) => {
  const path = await repository();
  const file = join(path, ".git/hooks/post-commit");
  mkdirSync(join(path, ".git/hooks"), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  const { code, stdout, stderr } = await hook(["install", path]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toStartWith(`git-hook: ${file} ${problem}`);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(readFileSync(file, "utf8")).toBe(text);
  expect(statSync(file).mode & 0o777).toBe(mode);
});

test.each([
  [[], "say what to do"],
  [["instal"], 'unknown command "instal"'],
  [["install"], "say where: install takes a repository"],
  [["install", "a", "b"], "one repository at a time"],
  [["install", "--force"], "Unknown option '--force'"],
  [["install", "/nowhere at all"], "cannot change to '/nowhere at all'"],
  [["install", tmpdir()], "not a git repository"],
])("%j is one clear line and not a stack", async (args, problem) => {
  const { code, stdout, stderr } = await hook(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr.split("\n")[0]).toContain(problem);
  expect(stderr).not.toContain("    at ");
});

test("--help is the usage", async () => {
  expect(await hook(["--help"])).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^usage: bun run git-hook install .*\n$/),
    stderr: "",
  });
});
