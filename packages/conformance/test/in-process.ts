import { Feed } from "@tidings/shared/server";
import type { Lane } from "../src/index.ts";
import type { server } from "./broken/doubling-sse.ts";

type Build = (options: { feed: Feed }) => ReturnType<typeof server>;

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
