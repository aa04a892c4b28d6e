// Follows a server, leaves it in every state that a client can be in, and then has nothing more to
// do: `bun leaving.ts <technique> <url> <url of nobody> <url of who never answers>`. It ends by
// itself, unless the client has left a timer or a socket behind; a rejection that nobody handles
// ends it with an error.
import type { Subscribe } from "../src/lane.ts";
import { folderOf } from "../../../scripts/techniques.ts";

const [technique = "", live = "", nobody = "", silent = ""] = process.argv.slice(2);
const { subscribe }: { subscribe: Subscribe } = await import(
  `${folderOf(technique)}/src/client.ts`
);

type When = "request" | "open" | "retry" | "event" | "before";

/** Leaves as soon as something has happened; `how` is by the signal, or by leaving the loop. */
const visit = async (url: string, when: When, how: "abort" | "break" = "abort") => {
  const leaving = new AbortController();
  if (when === "before") leaving.abort();
  const { signal } = leaving;
  const onNote = ({ kind }: { kind: string }) => {
    // Not at once: at the request there is nothing yet that could be left behind.
    if (kind === when) setImmediate(() => leaving.abort());
  };
  for await (const _ of subscribe(url, { after: "0-0", signal, onNote })) {
    if (when !== "event") continue;
    if (how === "break") break;
    leaving.abort();
  }
};

await visit(live, "before");
await visit(live, "request");
await visit(live, "open");
await visit(live, "event");
await visit(live, "event", "break");
await visit(nobody, "retry");
await visit(silent, "request");
console.log("left");
