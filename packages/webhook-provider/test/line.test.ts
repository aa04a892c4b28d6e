import { Feed } from "@tidings/shared/server";
import { expect, spyOn, test } from "bun:test";
import { Line } from "../src/line.ts";
import { Outbox } from "../src/outbox.ts";
import type { Endpoint } from "../src/registry.ts";
import { Seats } from "../src/seats.ts";

const ID = "ep_1";
const HOUR_MS = 3_600_000;

/** A line with an outbox of its own, and where its deliveries went. */
const start = async (rest: Partial<Endpoint> = {}) => {
  const outbox = new Outbox(":memory:", { feed: new Feed() });
  await outbox.register({
    id: ID,
    url: "http://old/",
    types: undefined,
    ordered: false,
    headers: {},
    ratePerSecond: undefined,
    disabled: undefined,
    createdAt: Date.now(),
    secrets: ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
    ...rest,
  });
  const sent: string[] = [];
  let wanted = { count: 0, reached: () => {} };
  const line = new Line(
    ID,
    {},
    {
      outbox,
      timeoutMs: 15_000,
      leaseMs: 35_000,
      seats: { good: new Seats(10), doubtful: new Seats(10) },
      deliver: async ({ url }, due) => {
        sent.push(url);
        const attempt = { at: 0, ms: 0, status: 200, error: null, answer: "", askedMs: 0 };
        outbox.record({ endpointId: ID, due, attempt, state: "delivered" });
        if (sent.length >= wanted.count) wanted.reached();
        return { accepted: true, slow: false };
      },
    },
  );
  const publish = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => outbox.publish("a.b", n)));
  const reached = (count: number) =>
    new Promise<void>((reached) => {
      wanted = { count, reached };
      if (sent.length >= count) reached();
    });
  return { line, outbox, sent, publish, reached };
};

// A claim and a change that are asked for in one turn share a transaction, and who asked for the
// change hears of it first.
test("nothing more is sent by the old settings once a change is told", async () => {
  const { line, outbox, sent, publish, reached } = await start();
  await publish(20);
  line.wake();
  await outbox.change(ID, { url: "http://new/" });
  line.renew();
  await reached(20);
  expect(new Set(sent)).toEqual(new Set(["http://new/"]));
});

test("nothing more is sent once an endpoint is said to be disabled", async () => {
  const { line, outbox, sent, publish } = await start();
  await publish(20);
  line.wake();
  await outbox.disable(ID, "request");
  line.renew();
  // Two more turns of the outbox: time enough to send.
  for (const _ of [1, 2]) await outbox.endpoints();
  expect(sent).toEqual([]);
});

test("an endpoint goes on at once, although a claim has just found it disabled", async () => {
  const { line, outbox, publish, reached } = await start();
  await publish(20);
  await outbox.disable(ID, "request");
  line.wake();
  await outbox.disable(ID, null);
  line.renew();
  await reached(20);
});

test("a clock that is set back holds up nothing that comes after it", async () => {
  const { line, publish, reached } = await start({ ratePerSecond: 1_000 });
  await publish(1);
  line.wake();
  await reached(1);
  const real = Date.now;
  using _ = spyOn(Date, "now").mockImplementation(() => real() - HOUR_MS);
  await publish(1);
  line.wake();
  await reached(2);
});

test("a higher rate counts at once, however much the former one has used up", async () => {
  const { line, outbox, publish, reached } = await start({ ratePerSecond: 0.001 });
  await publish(2);
  line.wake();
  await reached(1);
  await outbox.change(ID, { ratePerSecond: 1_000 });
  line.renew();
  await reached(2);
});

test("what was claimed too long ago is given back, and claimed anew at once", async () => {
  const { line, publish, reached, sent } = await start({ ordered: true });
  const real = Date.now;
  // Each attempt takes six seconds: of all that one claim brings, three can begin in its time.
  using _ = spyOn(Date, "now").mockImplementation(() => real() + sent.length * 6_000);
  await publish(20);
  line.wake();
  await reached(20);
});
