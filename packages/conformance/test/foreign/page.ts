// A page without content, for the tests to run their scripts in. It offers our clients as modules.
import { folderOf } from "../../../../scripts/techniques.ts";
import { open } from "../../../../scripts/browser.ts";

// What arrives is kept; what a test waits for is looked at again whenever something arrives.
const html = `<!doctype html><title>a page</title><link rel="icon" href="data:,"><script>
  const seen = [], looks = new Set();
  const see = (what) => { seen.push(what); for (const look of looks) look(); };
  const until = (holds) => new Promise((resolve) => {
    const look = () => { if (holds()) { looks.delete(look); resolve(seen); } };
    looks.add(look);
    look();
  });
</script>`;

/** A page in Chromium: of the servers' own host, or of another one. */
export const page = (from: "same host" | "other host") => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    routes: {
      "/": () => new Response(html, { headers: { "content-type": "text/html" } }),
      "/clients/:name": async ({ params }) => {
        const { outputs } = await Bun.build({
          entrypoints: [`${folderOf(params.name.replace(/\.js$/, ""))}/src/client.ts`],
          target: "browser",
          minify: true,
        });
        return new Response(outputs[0], { headers: { "content-type": "text/javascript" } });
      },
    },
  });
  const origin = `http://${from === "same host" ? "127.0.0.1" : "localhost"}:${server.port}`;
  return {
    origin,
    /** Opens the page. Its scripts may call `see(what)`, and wait for `until(() => …)`. */
    async open() {
      const { view, [Symbol.dispose]: close } = await open(`${origin}/`);
      const run = (script: string): Promise<unknown> =>
        view.evaluate(`(async () => {${script}})()`);
      return { run, [Symbol.dispose]: close };
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
};
