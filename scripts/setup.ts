// Gets the system packages that the tests need: by apt-get where we are root on Debian, else it
// says what to install. `bun run test` runs it; `bun scripts/setup.ts` does it alone.

interface SystemPackage {
  /** Its name in Debian. */
  readonly name: string;
  /** Any of these commands will do. */
  readonly commands: readonly string[];
  readonly reason: string;
}

const systemPackages: readonly SystemPackage[] = [
  {
    name: "chromium",
    commands: ["chromium", "chromium-browser", "google-chrome"],
    reason: "the browser tests",
  },
  { name: "nginx", commands: ["nginx"], reason: "the tests behind a proxy" },
];

// Debian puts servers where only root looks for commands.
const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

const missing = () =>
  systemPackages.filter(
    ({ commands }) => !commands.some((command) => Bun.which(command, { PATH })),
  );

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
