import { expect, test } from "bun:test";
import { CpuClock, whyBlind } from "../src/machine.ts";

// A thread that works for 200 ms, and ends when it is told to.
const WORK = `
  const work = "for (const end = Date.now() + 200; Date.now() < end;); postMessage(0)";
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
    expect(clock.look()).toBeGreaterThanOrEqual(worked);
    // Who begins to look now has never seen it.
    expect(new CpuClock(child.pid).look()).toBeLessThan(worked);
    child.kill();
    await child.exited;
  },
);
