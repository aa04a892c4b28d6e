import { expect, test } from "bun:test";
import { createRandom } from "@tidings/shared/random";
import { answerIn, Answers } from "../src/load/answers.ts";
import { intendedTimes } from "../src/load/schedule.ts";
import { scan, stamped, stampOf } from "../src/load/stamp.ts";
import { Tally } from "../src/load/tally.ts";

test("a schedule is fixed by its seed, has its rate, and is no beat, but never close together", () => {
  const schedule = { first: 0, count: 40, perSecond: 20, startAt: 1_000, seed: 7 };
  const times = intendedTimes(schedule);
  expect(times).toEqual(intendedTimes(schedule));
  expect(times).not.toEqual(intendedTimes({ ...schedule, seed: 8 }));
  times.forEach((moment, slot) => {
    expect(moment).toBeGreaterThanOrEqual(1_000 + (slot + 0.4) * 50);
    expect(moment).toBeLessThanOrEqual(1_000 + (slot + 0.6) * 50);
  });
  const apart = times.subarray(1).map((moment, slot) => Math.round(moment - (times[slot] ?? 0)));
  expect(new Set(apart).size).toBeGreaterThan(5);
});

test("a stamp is found in bytes", () => {
  const text = `data: {"data":"${stamped(42, 32)}"}\n\ndata: ~x ${stamped(43, 10)}`;
  const bytes = Buffer.from(text);
  const whole = scan(bytes);
  expect(whole).toEqual([42, 43]);
  // Up to where one looks, and no further.
  for (let end = 0; end <= bytes.length; end++) {
    const found = scan(bytes, end);
    expect(found).toEqual(whole.slice(0, found.length));
    expect(found).toHaveLength(end < text.indexOf("~n") + 10 ? 0 : end < bytes.length ? 1 : 2);
  }
  expect(stampOf(stamped(7, 20))).toBe(7);
  expect(stampOf({ amount: 7 })).toBeUndefined();
});

test("stamps are found wherever they lie: as far apart as before, nearer, or behind what is none", () => {
  const random = createRandom(1);
  for (let run = 0; run < 200; run++) {
    const gap = random.int(0, 30);
    const fillers = Array.from({ length: 12 }, () =>
      random.chance(0.7)
        ? ".".repeat(gap)
        : random.pick([
            "~",
            "~~",
            "~m",
            "~ n",
            "~n",
            "~n1234567",
            "",
            ".".repeat(random.int(0, 60)),
          ]),
    );
    const text = fillers.map((filler, number) => stamped(number, 10) + filler).join("");
    expect(scan(Buffer.from(text))).toEqual(fillers.map((_, number) => number));
  }
});

test("answers are whole wherever the network cuts the bytes", () => {
  const first = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "1"\r\n\r\nhello';
  const second = 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n';
  const bytes = Buffer.from(first + second);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const answers = new Answers(answerIn);
    const taken = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((part) => [
      answers.take(part),
      answers.next(),
    ]);
    const whole = taken.flatMap((answer) => (answer ? [[answer.status, `${answer.body}`]] : []));
    expect(whole).toEqual([
      [200, "hello"],
      [304, ""],
    ]);
  }
  const chunked = Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect(() => new Answers(answerIn).take(chunked)).toThrow("content-length");
});

test("the account knows what is lost, doubled and in the wrong order, and when all have it", async () => {
  const schedule = { first: 10, count: 3, perSecond: 1_000, startAt: 0, seed: 1 };
  const tally = new Tally(2, schedule, 0);
  tally.hits(0, [10, 12, 11, 12, 9], 3);
  expect(tally).toMatchObject({ delivered: 3, doubled: 2, lost: 3, inversions: [[11, 12, 1]] });
  expect([...tally.completeAt]).toEqual([Infinity, Infinity, Infinity]);
  [10, 11, 12].forEach((number, i) => tally.hits(1, [number], 5 + i));
  expect(tally).toMatchObject({ delivered: 6, doubled: 2, lost: 0, inversions: [[11, 12, 1]] });
  expect([...tally.completeAt]).toEqual([5, 6, 7]);
  // What a later stretch has published is left to its account.
  tally.hits(1, [13], 8);
  expect(tally).toMatchObject({ delivered: 6, doubled: 2, ahead: [[1, 13, 8]] });
  await tally.whole;
});

test("an inversion is kept, however many others there are", () => {
  const count = 40_000;
  const schedule = { first: 7, count, perSecond: 1e6, startAt: 0, seed: 1 };
  const tally = new Tally(2, schedule, 0);
  for (const subscriber of [0, 1])
    for (let event = 0; event < count; event += 2)
      tally.hits(subscriber, [event + 8, event + 7], 1e6);
  const { inversions } = tally;
  expect(inversions).toHaveLength(count / 2);
  expect(inversions.at(-1)).toEqual([count - 2 + 7, count - 1 + 7, 2]);
});
