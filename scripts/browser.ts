// A real browser for the tests: Chromium, driven by Bun.
import { afterAll } from "bun:test";

const path = ["chromium", "chromium-browser", "google-chrome"]
  .map((command) => Bun.which(command))
  .find((found) => found !== null);

/** Why there are no browser tests here; in CI there must be. */
export const noBrowser =
  path === undefined && process.env.CI !== "true"
    ? "no Chromium here; `bun scripts/setup.ts` gets it"
    : undefined;

const quiet = ["--disable-component-update", "--disable-sync", "--disable-quic"];

// A name that somebody has pointed at this machine.
const rebound = "--host-resolver-rules=MAP rebound.example 127.0.0.1";

// The certificate of `--tls` is self-made. All of a process's pages share one browser and its flags.
const flags = [...quiet, rebound, "--ignore-certificate-errors"];

/** Opens a page. `complaints` are what the browser has to say against it. */
export const open = async (url: string) => {
  if (path === undefined) throw new Error("no Chromium here; `bun scripts/setup.ts` gets it");
  // As root, Chromium has no sandbox to run in.
  const argv = process.getuid?.() === 0 ? [...flags, "--no-sandbox"] : flags;
  const complaints: string[] = [];
  const view = new Bun.WebView({
    width: 1280,
    height: 1000,
    backend: { type: "chrome", path, argv },
    console: (type, ...args) => type === "error" && complaints.push(args.join(" ")),
  });
  await view.navigate("about:blank");
  await view.cdp("Log.enable");
  view.addEventListener("Log.entryAdded", (event) => {
    if (!("data" in event)) return;
    complaints.push(JSON.stringify(event.data));
  });
  await view.navigate(url);

  /** Resolves with the first true value of an expression; the page tells when it has changed. */
  const until = (expression: string): Promise<unknown> =>
    view.evaluate(`new Promise((resolve) => {
      const look = () => {
        const value = (${expression});
        if (value) observer.disconnect(), resolve(value);
      };
      const observer = new MutationObserver(look);
      observer.observe(document, {
        subtree: true, childList: true, attributes: true, characterData: true,
      });
      look();
    })`);
  return { view, complaints, until, [Symbol.dispose]: () => view.close() };
};

afterAll(() => Bun.WebView.closeAll());
