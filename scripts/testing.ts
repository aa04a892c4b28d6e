// What the commands' tests have in common.
import { isFeedEvent } from "@tidings/shared";
import { describeExit, run, type RunOptions } from "./launch.ts";

type Stream = "stdout" | "stderr";

/** Runs one of the house's commands; disposing of it ends it. */
export const command = (
  script: string,
  args: readonly string[] = [],
  env: RunOptions["env"] = {},
) => {
  const lines: Record<Stream, string[]> = { stdout: [], stderr: [] };
  const looks = new Set<() => void>();
  const look = () => looks.forEach((check) => check());
  const process = run(script, [`scripts/${script}.ts`, ...args], {
    // What runs on this machine anyhow is none of a test's business.
    env: { TIDINGS_SERVERS: "/dev/null", TIDINGS_TOKEN: "", ...env },
    onLine: (line, stream) => {
      lines[stream].push(line);
      look();
    },
  });
  const exited = process.exited.finally(look);

  /** The first line that fits, printed already or to come; rejects when the command ends first. */
  const line = (fits: (line: string) => boolean, stream: Stream = "stdout"): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = () => {
        const found = lines[stream].find(fits);
        if (found !== undefined) resolve(found);
        else return false;
        looks.delete(check);
        return true;
      };
      if (check()) return;
      looks.add(check);
      exited.then((exit) => {
        const said = [...lines.stdout, ...lines.stderr].join("\n");
        if (!check())
          reject(new Error(`${script} ended (${describeExit(exit)}) and said:\n${said}`));
      });
    });

  return { ...process, exited, lines, line };
};

/** Runs a command to its end. */
export const output = async (...how: Parameters<typeof command>) => {
  const { exited, lines } = command(...how);
  const { code } = await exited;
  return { code, stdout: lines.stdout, stderr: lines.stderr };
};

/** Publishes an event as any publisher would. Returns its id. */
export const publish = async (url: string, type: string, data: unknown): Promise<string> => {
  const response = await fetch(`${url}/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type, data }),
  });
  const event: unknown = await response.json();
  if (!isFeedEvent(event)) throw new Error(`${url} answered ${JSON.stringify(event)}`);
  return event.id;
};
