import { expect, test } from "bun:test";
import { openTap } from "@tidings/tap";
import { Destination } from "../src/destination.ts";

const serve = (answer: () => Response | Promise<Response>) => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop(true) });
};

test("one request at a time: what comes meanwhile is not sent, and not sent later either", async () => {
  let requests = 0;
  const { promise: held, resolve: release } = Promise.withResolvers<Response>();
  await using server = serve(() => (requests++ === 0 ? held : new Response()));
  const destination = new Destination(server.url.href);
  const first = destination.publish({ n: 1 });
  await Promise.all([destination.publish({ n: 2 }), destination.publish({ n: 3 })]);
  release(new Response());
  await first;
  expect(requests).toBe(1);
  await destination.publish({ n: 4 });
  expect(requests).toBe(2);
});

test("an outage is told once, and its end once", async () => {
  await using server = serve(() => new Response());
  await using tap = await openTap({ target: server.url });
  const said: string[] = [];
  const destination = new Destination(tap.url, { say: (line) => said.push(line) });
  const publish = () => destination.publish({});
  await publish();
  expect(said).toEqual([]);

  for (let outage = 1; outage <= 2; outage++) {
    tap.refuse();
    tap.cut();
    await publish();
    await publish();
    await publish();
    expect(said).toEqual([expect.stringContaining(`${tap.url} is away: `)]);
    tap.accept();
    await publish();
    await publish();
    expect(said.splice(0).slice(1)).toEqual([expect.stringContaining(`${tap.url} is back after `)]);
  }
});

test("a server that never answers is given up after the time-out", async () => {
  await using server = serve(() => new Response());
  await using tap = await openTap({ target: server.url });
  tap.halfOpen({ on: "new" });
  const said: string[] = [];
  const destination = new Destination(tap.url, { timeoutMs: 20, say: (line) => said.push(line) });
  await destination.publish({});
  expect(said).toHaveLength(1);
  tap.heal();
  // Where the machine stalls for as long, another one is given up.
  while (said.length < 2) await destination.publish({});
  expect(said[1]).toContain(`${tap.url} is back after `);
});

test("a refusal says why", async () => {
  await using server = serve(() =>
    Response.json({ detail: "authorization: no." }, { status: 401 }),
  );
  const said: string[] = [];
  const destination = new Destination(server.url.href, { say: (line) => said.push(line) });
  await destination.publish({});
  expect(said).toEqual([`${server.url.href} is away: authorization: no.`]);
});
