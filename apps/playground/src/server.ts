import { Problem, type Technique } from "@tidings/shared";
import { Elysia } from "elysia";
import type { RunningServer } from "../../../scripts/servers.ts";
import { folderOf, techniques } from "../../../scripts/techniques.ts";
import type { Lane } from "./lane.ts";
import page from "./page/index.html";

// What stands for a client that cannot run in a browser: the consumer's inbox is read like this.
const INBOX_CLIENT = "short-poll";

const fresh = { "cache-control": "no-cache" };

/** The page, the list of the lanes that it shows, and each technique's own client for it. */
export const server = ({ servers }: { servers: readonly RunningServer[] }) =>
  new Elysia({ name: "tidings-playground" })
    .onError(({ error, code }) => {
      if (error instanceof Problem) return error.toResponse();
      if (code === "NOT_FOUND")
        return new Problem(404, "path: there is nothing here.").toResponse();
      console.error(error);
      return new Problem(500, "The server failed to answer; see its log.").toResponse();
    })
    .get("/", page)
    .get("/lanes.json", () => Response.json(lanes(servers), { headers: fresh }))
    // Bundled when asked for, so that a new technique is on the page as soon as it runs, and an
    // edited client as soon as the page is loaded again.
    .get("/clients/:file", async ({ params }) => {
      const client = techniques.find(({ name }) => params.file === `${name}.js`);
      if (client?.capabilities.browser !== true)
        throw new Problem(404, "path: no technique of this name has a browser client.");
      const entry = `${folderOf(client.name)}/src/client.ts`;
      const { outputs } = await Bun.build({ entrypoints: [entry], target: "browser" });
      return new Response(outputs[0], { headers: { ...fresh, "content-type": "text/javascript" } });
    });

/** What the page shows of the running servers: a pair is one lane, read at its client's half. */
export const lanes = (servers: readonly RunningServer[]): Lane[] => {
  const urlOf = (name: string | undefined) => servers.find((s) => s.name === name)?.url;
  return techniques.flatMap((technique) => {
    const { name, pair } = technique;
    const url = urlOf(name);
    const isCaller = pair?.server === name && urlOf(pair.client) !== undefined;
    return url === undefined || isCaller ? [] : [lane(technique, url, urlOf(pair?.server))];
  });
};

const lane = (technique: Technique, url: string, callerUrl: string | undefined): Lane => {
  const { name, title, idea, direction, pair, capabilities } = technique;
  const common = { name, title, idea, direction, url };
  if (capabilities.browser === true) return { ...common, publishUrl: url, client: name };
  const { lacks } = capabilities.browser;
  if (pair?.client !== name)
    return { ...common, publishUrl: url, remark: `No browser client here. ${lacks}` };
  const caller = `${techniques.find((t) => t.name === pair.server)?.title} (${callerUrl ?? "not running"})`;
  const remark = `${caller} calls it; this page reads its inbox by short polling. ${lacks}`;
  return { ...common, publishUrl: callerUrl, client: INBOX_CLIENT, remark };
};
