// A consumer as a process of its own, for tests that kill it: `bun killed.ts <database> <effects>
// [stuck]`. It writes each effect to a file, before and after some work; stuck, it never gets there.
import { appendFileSync } from "node:fs";
import { Feed } from "@tidings/shared/server";
import { server } from "../src/server.ts";

const [database, effects = "", stuck] = process.argv.slice(2);
const app = server({
  feed: new Feed(),
  database,
  secrets: { standard: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] },
  onEvent: async ({ id }, _, attempt) => {
    if (stuck) {
      console.log(`begun ${id}`);
      await new Promise(() => {});
    }
    await Bun.sleep(Math.random() * 2);
    appendFileSync(effects, `${id} ${attempt}\n`);
    await Bun.sleep(Math.random() * 2);
  },
}).listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
console.log(`ready ${app.server?.url.origin}`);
