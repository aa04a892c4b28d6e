// What the commands have in common: a mistake gets one line and a non-zero exit, never a stack.
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

const messageOf = (error: unknown) => (error instanceof Error ? error.message : `${error}`);

/** Ends the command with one line: 2 is for wrong arguments. */
export function fail(error: unknown, exitCode = 2): never {
  console.error(`tidings: ${messageOf(error)}`);
  process.exit(exitCode);
}

/** The same where the command's usage is the cure. */
export function failToRead(error: unknown): never {
  const line = messageOf(error).replaceAll("\n", " ").replace(/\.$/, "");
  fail(`${line}; --help says more`);
}

/** Ends the command that could not listen: 1, and the cure when the port is taken. */
export function failToListen(error: unknown, port: number): never {
  const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
  fail(taken ? `port ${port} is taken; choose another with --port` : error, 1);
}

/** Reads the command line. `--help` prints the usage and ends; what is wrong is one line. */
export const readArgs = <Options extends ParseArgsOptionsConfig>(
  usage: string,
  options: Options,
  args = process.argv.slice(2),
) => {
  if (args.some((arg) => arg === "--help" || arg === "-h")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    return failToRead(error);
  }
};

/**
 * Ends the command in its own way at Ctrl-C and at SIGTERM. A signal may come twice: Ctrl-C reaches
 * everyone in the terminal, and `bun run` passes it on to us as well. The second one finds us at
 * it; without a listener it would end us on the spot.
 */
export const onEnd = (end: () => void) => {
  let ending = false;
  const endOnce = () => {
    if (!ending) end();
    ending = true;
  };
  process.on("SIGINT", endOnce);
  process.on("SIGTERM", endOnce);
};

/** A whole number within bounds. */
export const numberOption = (
  name: string,
  text: string,
  { min, max }: { min: number; max: number },
): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    fail(`${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
  return value;
};

/** An object in JSON. */
export const jsonOption = <Value extends object>(name: string, text: string): Value => {
  try {
    const value: Value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {}
  return fail(`${name} must be a JSON object, not ${JSON.stringify(text)}`);
};
