import { expect, test } from "bun:test";
import { Seats } from "../src/seats.ts";

test("PROVIDER-14: seats go round: who has had one is behind those who wait", async () => {
  const seats = new Seats(2);
  const taken: string[] = [];
  const wish = (name: string) => {
    const take = () => {
      while (seats.take(take)) taken.push(name);
    };
    return take;
  };
  for (const name of ["a", "b", "c"]) wish(name)();
  expect(taken).toEqual(["a", "a"]);
  for (let n = 0; n < 4; n++) seats.give();
  expect(taken).toEqual(["a", "a", "a", "b", "c", "a"]);
});

test("a seat that is not wanted any more goes to the next one", async () => {
  const seats = new Seats(1);
  expect(seats.take(() => {})).toBe(true);
  seats.take(() => {});
  const next = seats.wait();
  seats.give();
  await next;
  let empty = false;
  const emptied = seats.empty().then(() => (empty = true));
  await Promise.resolve();
  expect(empty).toBe(false);
  seats.give();
  await emptied;
});
