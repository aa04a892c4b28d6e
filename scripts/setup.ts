// Gets the system packages that the tests need: by apt-get where we are root on Debian, else it
// says what to install. `bun run test` runs it; `bun scripts/setup.ts` does it alone.
import { existsSync } from "node:fs";

interface SystemPackage {
  /** Its name in Debian. */
  readonly name: string;
  /** Any of these commands will do. */
  readonly commands: readonly string[];
  /** A command line that succeeds where it is installed. Default: that there is the command. */
  readonly proof?: readonly [string, ...string[]];
  readonly reason: string;
}

/** Debian's own Python, which has Debian's modules, whatever else is on the PATH. */
export const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

const systemPackages: readonly SystemPackage[] = [
  {
    name: "chromium",
    commands: ["chromium", "chromium-browser", "google-chrome"],
    reason: "the browser tests",
  },
  { name: "nginx", commands: ["nginx"], reason: "the tests behind a proxy" },
  { name: "curl", commands: ["curl"], reason: "the tests with clients that we did not write" },
  {
    name: "python3-websockets",
    commands: [python],
    proof: [python, "-c", "import websockets"],
    reason: "the tests with clients that we did not write",
  },
  { name: "openssl", commands: ["openssl"], reason: "the certificate of --tls" },
];

// Debian puts servers where only root looks for commands.
const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Where a command is. */
export const find = (command: string) => Bun.which(command, { PATH });

const succeeds = (command: readonly [string, ...string[]]) =>
  Bun.spawnSync([...command], { stdout: "ignore", stderr: "ignore" }).success;

const missing = () =>
  systemPackages.filter(
    ({ commands, proof }) => !commands.some(find) || (proof && !succeeds(proof)),
  );

/** Why the tests that need a package cannot run; in CI they must. */
export const whyMissing = (name: string): string | undefined =>
  process.env.CI !== "true" && missing().some((lacking) => lacking.name === name)
    ? `no ${name} here; \`bun scripts/setup.ts\` gets it`
    : undefined;

const aptGet = async (...args: string[]) => {
  const command = ["apt-get", "-q", "-o", "Acquire::Retries=1", ...args];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = Bun.spawn(command, { env, stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  return (await apt.exited) === 0;
};

/** Installs what is missing. Returns a line for each package that could not be had. */
export const setup = async (): Promise<readonly string[]> => {
  const names = missing().map(({ name }) => name);
  if (names.length === 0) return [];
  const install = ["install", "-y", "--no-install-recommends", ...names];
  const canInstall = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
  // A fresh image has no package lists yet.
  if (canInstall)
    (await aptGet(...install)) || ((await aptGet("update")) && (await aptGet(...install)));
  const cure = canInstall
    ? "apt-get could not install it"
    : `install it, on Debian with: sudo apt-get ${install.join(" ")}`;
  return missing().map(({ name, reason }) => `${name} is missing for ${reason}; ${cure}`);
};

if (import.meta.main) {
  const problems = await setup();
  for (const problem of problems) console.error(`tidings: ${problem}`);
  process.exit(problems.length > 0 ? 1 : 0);
}
