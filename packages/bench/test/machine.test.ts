import { expect, test } from "bun:test";
import { CpuClock, whyBlind } from "../src/machine.ts";

// A thread that works much, however busy the machine is, and ends when it is told to.
const WORK = `
  const work = "let x = 0; for (let i = 0; i < 3e8; i++) x ^= i; postMessage(x); self.onmessage = () => {}";
  const thread = new Worker(URL.createObjectURL(new Blob([work])));
  thread.onmessage = () => console.log("worked");
  thread.addEventListener("close", () => console.log("ended"));
  for await (const _ of console) thread.terminate();
`;

test.skipIf(whyBlind() !== undefined)(
  "what a thread has used is not lost when it ends",
  async () => {
    const child = Bun.spawn([process.execPath, "-e", WORK], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const clock = new CpuClock(child.pid);
    expect(await lines.read()).toMatchObject({ value: "worked\n" });
    const worked = clock.look();
    child.stdin.write("\n");
    await child.stdin.flush();
    expect(await lines.read()).toMatchObject({ value: "ended\n" });
    // The system takes its time to end it. Who begins to look then has never seen it.
    while (new CpuClock(child.pid).look() >= worked) await Bun.sleep(1);
    expect(clock.look()).toBeGreaterThanOrEqual(worked);
    child.kill();
    await child.exited;
  },
);
