import { Feed } from "@tidings/shared/server";
import type { Lane } from "../src/index.ts";

/** What it needs of an app; each technique's has a type of its own. */
interface App {
  listen(options: { port: number; hostname: string; reusePort: boolean }): unknown;
  readonly server: Bun.Server<unknown> | null;
}

type Build = (options: { feed: Feed }) => App;

/** How a lane starts a server that lives in the test's own process. */
export const inProcess = (build: Build): Lane["start"] => {
  return async ({ feed } = {}) => {
    const app = build({ feed: new Feed(feed) });
    app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
    const stop = async () => void (await app.server?.stop(true));
    return {
      url: `http://127.0.0.1:${app.server?.port}`,
      kill: stop,
      exited: Promise.resolve({ code: 0 }),
      [Symbol.asyncDispose]: stop,
    };
  };
};
