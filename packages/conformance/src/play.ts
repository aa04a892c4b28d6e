import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FeedEvent, Technique } from "@tidings/shared";
import { createRandom } from "@tidings/shared/random";
import type { Context } from "./clause.ts";
import type { Fault, Outcome, Scene } from "./fault.ts";
import { judge, type Judgement } from "./judge.ts";
import { publish, type Lane } from "./lane.ts";
import { inContext } from "./run.ts";

export interface PlayOptions {
  /** What the script's chance begins with. Default 1. */
  seed?: number;
  /** A short version: fewer rounds and smaller crowds. Default false. */
  quick?: boolean;
  /** After so many milliseconds a client that still waits never becomes whole. Default 60,000. */
  deadlineMs?: number;
}

/** What came of a fault in a lane. */
export interface Played {
  readonly fault: Fault;
  readonly technique: Technique;
  readonly outcome: Outcome;
  /** What was published, as each technique must have delivered it: type and data. */
  readonly published: readonly string[];
  /** What the client was given; missing when it was not measured. */
  readonly judgement?: Judgement;
}

// An attempt of a webhook gives up soon, and comes back soon.
const IMPATIENT = { timeoutMs: 500, scheduleScale: 0.0002 };
// Bytes that are one, two, three and four long, and such as JSON must escape.
const LETTERS = [...'abcdefghij \\"\n\u00e9\u2028', "\u{1f44b}"];

/** Why a fault does not apply to a lane; `undefined` when it does. */
const reasonToSkip = ({ needs }: Fault, { capabilities }: Technique): string | undefined => {
  const capability = needs && capabilities[needs];
  return capability && capability !== true ? capability.lacks : undefined;
};

/** Plays one fault to a lane, on a server and with clients of its own. */
export const playFault = async (
  fault: Fault,
  lane: Lane,
  { seed = 1, quick = false, deadlineMs = 60_000 }: PlayOptions = {},
): Promise<Played> => {
  const { technique } = lane;
  const reason = reasonToSkip(fault, technique);
  const played = { fault, technique, published: [] };
  if (reason !== undefined) return { ...played, outcome: { outcome: "not applicable", reason } };
  // Each fault has a chance of its own, so that one of them can be played alone.
  const random = createRandom(seed + Bun.hash.crc32(fault.title));
  const published: FeedEvent[] = [];
  let judgement: Judgement | undefined;
  let outcome: Outcome | undefined;

  const act = async (context: Context) => {
    const { start: launch, deadline } = context;
    // Five of the kit's heartbeats.
    const { silenceMs = 1_000, onDisk = false, start: { options, ...rest } = {} } = fault;
    await using disk = onDisk
      ? await mkdtempDisposable(join(tmpdir(), "tidings-fault-"))
      : undefined;
    const database = disk && { database: join(disk.path, "database") };
    const start: Scene["start"] = (more) =>
      launch({
        ...rest,
        ...more,
        options: { ...IMPATIENT, ...database, ...options, ...more?.options },
      });
    const follow: Scene["follow"] = (url, more) => context.follow(url, { silenceMs, ...more });

    let server = await start();
    const between = await context.tap(server.url);
    const client = await follow(between.url, between.options).opened();
    const witness = await follow(server.url).opened();
    let wholeMs: number | null = 0;

    const mark = (ahead: number) => `${fault.title} ${published.length + ahead}:`;
    const play: Scene["play"] = async (count, bytes = 200) => {
      const from = published.length;
      for (let i = 0; i < count; i++) {
        const text = Array.from({ length: 60 }, () => random.pick(LETTERS)).join("");
        const data = (mark(1) + text).padEnd(bytes, "x");
        published.push(await publish(server.url, `kit.${random.pick(["a", "b.c"])}`, data));
      }
      return published.slice(from);
    };
    const whole = async () => {
      const last = published.at(-1)!.id;
      const start = performance.now();
      try {
        await client.reached(last);
        if (wholeMs !== null) wholeMs = Math.max(wholeMs, Math.round(performance.now() - start));
        await witness.reached(last);
      } catch (error) {
        if (deadline.aborted) wholeMs = null;
        throw error;
      }
    };
    const restart = async (signal: NodeJS.Signals) => {
      server.kill(signal);
      const exit = await server.exited;
      server = await start({ port: Number(new URL(server.url).port) });
      return exit;
    };

    let failure: unknown;
    try {
      await play(5);
      await whole();
      wholeMs = 0;
      await fault.run({
        ...context,
        start,
        follow,
        get server() {
          return server;
        },
        between,
        direction: technique.pair ? "up" : "down",
        client,
        witness,
        random,
        quick,
        play,
        mark,
        restart,
        whole,
      });
      // What comes afterwards comes as if nothing had been.
      await play(5);
      await client.reached(published.at(-1)!.id);
      await witness.reached(published.at(-1)!.id);
    } catch (error) {
      failure = error;
    }
    judgement = judge(client.events, published);
    const other = judge(witness.events, published);
    const lost = judgement.lost + other.lost;
    // Who waited in vain for what was lost is told what was lost.
    if (failure !== undefined && !(deadline.aborted && lost > 0)) throw failure;
    outcome = {
      outcome: "measured",
      lost,
      doubled: judgement.doubled + other.doubled,
      reordered: judgement.reordered + other.reordered,
      gaps: judgement.gaps,
      wholeMs: failure === undefined ? wholeMs : null,
    };
  };

  try {
    await inContext(lane, { deadlineMs }, act);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { ...played, outcome: { outcome: "failed", reason: text } };
  }
  const said = published.map(({ type, data }) => `${type} ${JSON.stringify(data)}`);
  if (!outcome || !judgement) throw new Error("A fault that ran has an outcome.");
  return { ...played, outcome, judgement, published: said };
};

/**
 * Whether two techniques delivered the same list to their clients, but for what a gap of either
 * declares: the same events, in the same order, with the same bytes.
 */
export const sameList = (a: Played, b: Played): boolean => {
  const [one, other] = [a.judgement, b.judgement];
  // Who has no list has failed, or was not played.
  if (!one || !other) return true;
  const list = ({ judgement, published }: Played) =>
    judgement?.places
      .filter((place) => !one.declared.has(place) && !other.declared.has(place))
      .map((place) => `${place + 1} ${published[place]}`);
  return Bun.deepEquals(list(a), list(b));
};
