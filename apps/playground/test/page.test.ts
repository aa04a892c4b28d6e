import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { launch, type Launched } from "../../../scripts/launch.ts";
import { publish } from "../../../scripts/testing.ts";
import { techniques } from "../../../scripts/techniques.ts";
import { server } from "../src/server.ts";
import { noBrowser, open } from "../../../scripts/browser.ts";

setDefaultTimeout(60_000);

/** The page on a free port, with these servers as its lanes. */
const serve = (servers: readonly Launched[]) => {
  const app = server({ servers: servers.map(({ name, url }) => ({ name, url, publish: true })) });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  const url = `http://127.0.0.1:${app.server?.port}/`;
  return { url, [Symbol.asyncDispose]: async () => void (await app.stop(true)) };
};

const state = (name: string, is: string) =>
  `document.querySelector("#${name}")?.dataset.state === "${is}"`;
const shows = (name: string, text: string) =>
  `document.querySelector("#${name} ol")?.textContent.includes(${JSON.stringify(text)})`;
const textOf = (selector: string) =>
  `document.querySelector(${JSON.stringify(selector)})?.textContent`;

describe.skipIf(noBrowser !== undefined)(`the page${noBrowser ? `: ${noBrowser}` : ""}`, () => {
  test("lists the lanes, each connected by its own client", async () => {
    const browsable = techniques.filter(({ capabilities }) => capabilities.browser === true);
    await using servers = new AsyncDisposableStack();
    const launched = await Promise.all(browsable.map(({ name }) => launch(name)));
    for (const lane of launched) servers.use(lane);
    await using page = serve(launched);
    using browser = await open(page.url);

    for (const { name, title, idea, direction } of browsable) {
      await browser.until(state(name, "connected"));
      expect(await browser.view.evaluate(textOf(`#${name} h2`))).toBe(title);
      expect(await browser.view.evaluate(textOf(`#${name} .idea`))).toBe(idea);
      expect(await browser.view.evaluate(textOf(`#${name} .direction`))).toBe(direction);
    }
    // Least of all that the page breaks its own Content-Security-Policy.
    expect(browser.complaints).toEqual([]);
  });

  test("shows an event that is published to one lane, in this lane", async () => {
    await using sse = await launch("sse");
    await using ws = await launch("ws");
    await using page = serve([sse, ws]);
    using browser = await open(page.url);
    await browser.until(`${state("sse", "connected")} && ${state("ws", "connected")}`);

    const id = await publish(sse.url, "greeting", { to: "<b>you</b>" });
    await browser.until(shows("sse", id));
    expect(await browser.view.evaluate(textOf("#sse .type"))).toBe("greeting");
    expect(await browser.view.evaluate(textOf("#sse summary .data"))).toBe('{"to":"<b>you</b>"}');
    expect(await browser.view.evaluate(textOf("#sse .old"))).toMatch(/^\d+ ms$/);
    expect(await browser.view.evaluate(textOf("#sse dd.events"))).toBe("1");
    expect(await browser.view.evaluate(textOf("#ws dd.events"))).toBe("0");
  });

  test("shows what the webhook consumer was sent", async () => {
    await using provider = await launch("webhook-provider");
    await using consumer = await launch("webhook-consumer", {
      options: { provider: provider.url },
    });
    await using page = serve([provider, consumer]);
    using browser = await open(page.url);
    await browser.until(state("webhook-consumer", "connected"));
    expect(await browser.view.evaluate("document.querySelectorAll('.lane').length")).toBe(1);

    const endpoints = async () => (await fetch(`${provider.url}/endpoints`)).text();
    while (!(await endpoints()).includes(consumer.url)) await Bun.sleep(10);
    const id = await publish(provider.url, "greeting", 1);
    await browser.until(shows("webhook-consumer", id));
  });

  test("comes back to a server that was killed, and counts the gap", async () => {
    const first = await launch("sse");
    await using page = serve([first]);
    using browser = await open(page.url);
    await browser.until(state("sse", "connected"));
    await browser.until(shows("sse", await publish(first.url, "greeting", 1)));

    first.kill("SIGKILL");
    await browser.until(state("sse", "reconnecting"));
    await using again = await launch("sse", { port: Number(new URL(first.url).port) });
    await browser.until(state("sse", "connected"));
    await publish(again.url, "greeting", 2);
    await browser.until(`${textOf("#sse dd.events")} === "2"`);
    expect(await browser.view.evaluate(textOf("#sse summary .data"))).toBe("2");
    expect(await browser.view.evaluate(textOf("#sse dd.gaps"))).toBe("1");
  });

  test("publishes to all lanes, and shows why one refuses", async () => {
    await using sse = await launch("sse");
    await using ws = await launch("ws");
    await using page = serve([sse, ws]);
    using browser = await open(page.url);
    await browser.until(`${state("sse", "connected")} && ${state("ws", "connected")}`);

    await browser.view.click("#publish button");
    await browser.until(`${shows("sse", "payment.success")} && ${shows("ws", "payment.success")}`);
    await browser.until(`${textOf("#publish ul")} === "Published to 2 lanes."`);

    await browser.view.click("#publish input[name=type]");
    await browser.view.type(" !");
    await browser.view.press("Enter");
    await browser.until(textOf("#publish .failed"));
    expect(await browser.view.evaluate(textOf("#publish .failed"))).toMatch(
      /^Server-Sent Events, WebSockets: type: must /,
    );
  });

  test("holds the lists still on demand, and loses nothing by it", async () => {
    await using sse = await launch("sse");
    await using page = serve([sse]);
    using browser = await open(page.url);
    await browser.until(state("sse", "connected"));

    await browser.view.click("#pause");
    const id = await publish(sse.url, "greeting", 1);
    await browser.until(`${textOf("#sse dd.events")} === "1"`);
    expect(await browser.view.evaluate(textOf("#sse ol"))).toBe("");
    await browser.view.click("#pause");
    expect(await browser.view.evaluate(shows("sse", id))).toBe(true);
  });

  test("asks for a token, shows which one is wrong, and keeps the right one for the tab", async () => {
    const env = { TIDINGS_TOKEN: "s3cret-for-the-tests" };
    const names = ["short-poll", "long-poll", "sse", "ws"];
    await using servers = new AsyncDisposableStack();
    const launched = await Promise.all(names.map((name) => launch(name, { env })));
    for (const lane of launched) servers.use(lane);
    await using page = serve(launched);
    using browser = await open(page.url);
    const all = (each: (name: string) => string) => browser.until(names.map(each).join(" && "));
    const says = (text: string) => (name: string) =>
      `${textOf(`#${name} .reason`)}.includes(${JSON.stringify(text)})`;
    const use = async (token: string) => {
      await browser.view.click("#token input");
      await browser.view.type(token);
      await browser.view.press("Enter");
    };

    await all(says("asks for a token"));
    await use("wrong ");
    await all(says("does not take the token"));
    await browser.view.evaluate("document.querySelector('#token input').value = ''");
    await use(env.TIDINGS_TOKEN);
    await all((name) => state(name, "connected"));
    await browser.view.click("#publish button");
    await all((name) => shows(name, "payment.success"));

    await browser.view.navigate(page.url);
    await all((name) => state(name, "connected"));
    expect(await browser.view.evaluate("location.href")).toBe(page.url);
  });
});
