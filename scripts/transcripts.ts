// Records what a technique looks like on the wire: its own client and its own server, and a tap
// between them. `bun scripts/transcripts.ts [technique …]` prints it; scripts/readme.ts puts it
// into the READMEs, and their test replays it.
import { Feed } from "@tidings/shared/server";
import { openTap, transcript, type TapRecord } from "@tidings/tap";
import { fail } from "./cli.ts";
import { clientOf, folderOf, techniques } from "./techniques.ts";
import { reader, type Read } from "./wire-text.ts";

/** A session that is being recorded. */
interface Session {
  /** What happens (`act`), up to the text that passes last (`over`). */
  scene(title: string, act: () => void, over: string): Promise<void>;
  /** Lets the client follow, without a cursor. */
  subscribe(): void;
  publish(): void;
  /** Cuts the connection, and publishes before the client is back. */
  cut(): void;
  /** Asks the server to end. */
  end(): void;
}

interface Plot {
  /** The server's options, where its own would take too long to watch. */
  readonly options?: Readonly<Record<string, number>>;
  play(session: Session): Promise<void>;
}

// The millisecond in which the recorded feeds are born: so the same bytes come each time.
const EPOCH = 1763675000123;
const at = (offset: number) => `${EPOCH}-${offset}`;
const nothing = () => {};

const SUBSCRIBE = "the client subscribes, without a cursor, and is told its place";
const PUBLISH = "an event is published";
const CUT = "the connection is cut, and an event is published before the client is back";

const plots: Record<string, Plot> = {
  "short-poll": {
    async play({ scene, subscribe, publish }) {
      await scene("the first poll, without a cursor, gives the client its place", subscribe, at(0));
      await scene("a second later: nothing new", nothing, "304");
      await scene("an event is published; the next poll finds it", publish, `"cursor":"${at(1)}"`);
      await scene("and so on, each time with the latest cursor", nothing, "304");
    },
  },
  "long-poll": {
    async play({ scene, subscribe, publish, cut }) {
      const first = "the first poll, without a cursor, is answered at once; the second one is held";
      await scene(first, subscribe, `?after=${at(0)}`);
      const second = "an event is published: the answer leaves, and the client asks anew";
      await scene(second, publish, `?after=${at(1)}`);
      await scene(CUT, cut, `"cursor":"${at(2)}"`);
    },
  },
  sse: {
    options: { heartbeatMs: 1_000 },
    async play({ scene, subscribe, publish, cut }) {
      await scene(SUBSCRIBE, subscribe, `id: ${at(0)}\n`);
      await scene(PUBLISH, publish, `id: ${at(1)}\n`);
      await scene(CUT, cut, `id: ${at(2)}\n`);
      await scene("a while without events: a heartbeat", nothing, `id: ${at(2)}\n`);
    },
  },
  ws: {
    async play({ scene, subscribe, publish, cut, end }) {
      await scene(SUBSCRIBE, subscribe, at(0));
      await scene(PUBLISH, publish, at(1));
      await scene(CUT, cut, `"cursor":"${at(2)}"`);
      await scene("the server ends", end, "→ close");
    },
  },
};

/** The techniques that can be recorded. */
export const recorded: readonly string[] = Object.keys(plots);

/** Plays a technique's session and returns what passed between its client and its server. */
export const record = async (name: string): Promise<string> => {
  const plot = plots[name];
  const technique = techniques.find((t) => t.name === name);
  if (!plot || !technique) throw new Error(`No session is known for ${name}.`);
  await using opened = new AsyncDisposableStack();

  let published = 0;
  const feed = new Feed({ epoch: EPOCH, now: () => EPOCH + 1_000 * published });
  const publish = () => void feed.publish("payment.success", { amount: 1_400 * ++published });
  const closing = new AbortController();
  const { server } = await import(`${folderOf(name)}/src/server.ts`);
  const app = server({ ...plot.options, feed, signal: closing.signal });
  app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  opened.defer(() => app.server.stop(true));
  const tap = opened.use(await openTap({ target: app.server.url.origin }));

  const client = await clientOf(technique);
  const leaving = new AbortController();
  let handled = 0;
  let wake = nothing;
  const follow = async () => {
    for await (const _ of client(tap.url, { signal: leaving.signal, maxRetryMs: 10 })) {
      handled++;
      wake();
    }
  };

  const scenes: string[] = [];
  let seen = 0;
  await plot.play({
    async scene(title, act, over) {
      act();
      tap.resume("up");
      let text = "";
      await tap.until(() => {
        text = plain(readable(tap.records).slice(seen));
        return text.includes(over);
      });
      // Whatever the client wants to say next belongs to the next scene.
      tap.stall("up");
      seen = tap.records.length;
      scenes.push(`# ${title}\n${text}`);
      while (handled < published) await new Promise<void>((resolve) => (wake = resolve));
    },
    subscribe() {
      const followed = follow();
      opened.defer(async () => {
        leaving.abort();
        await followed;
      });
    },
    publish,
    cut() {
      tap.cut();
      publish();
    },
    end: () => closing.abort(),
  });
  return scenes.join("\n").trimEnd();
};

/** The records with text instead of bytes, one for one. */
const readable = (records: readonly TapRecord[]): TapRecord[] => {
  const reads = new Map<string, Read>();
  return records.map((record) => {
    if (record.mark) return record;
    const line = `${record.connection} ${record.direction}`;
    const read = reads.get(line) ?? reader();
    reads.set(line, read);
    return { ...record, bytes: Buffer.from(read(record.bytes)) };
  });
};

// What is drawn at random is always shown as the same sample.
const SAMPLES: readonly [random: RegExp, sample: string][] = [
  [/^(← retry: )\d+$/gm, "$12871"],
  [/^(→ Sec-WebSocket-Key: ).*$/gim, "$1dGhlIHNhbXBsZSBub25jZQ=="],
  [/^(← Sec-WebSocket-Accept: ).*$/gim, "$1s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
];

// A heartbeat that something follows came by chance, before its scene.
const CHANCE_HEARTBEAT = /← :\n← id: .*\n←\n(?=.)/g;

/** A scene as text: an arrow and a line for each line that passed. */
const plain = (records: readonly TapRecord[]): string => {
  const shown = records.filter(({ mark, bytes }) =>
    mark ? mark === "open" || mark === "cut" : bytes.length > 0,
  );
  const text = transcript(shown)
    // Connections follow each other here, so their numbers say nothing.
    .replace(/^(#\d+| {2,}) /gm, "")
    .replace(/\\n$/gm, "")
    .replace(/ +$/gm, "")
    .replace(CHANCE_HEARTBEAT, "");
  return SAMPLES.reduce((all, [random, sample]) => all.replace(random, sample), text);
};

if (import.meta.main) {
  const names = process.argv.slice(2);
  for (const name of names.length > 0 ? names : recorded) {
    if (!recorded.includes(name)) fail(`unknown technique ${name}; known: ${recorded.join(", ")}`);
    console.log(await record(name), "\n");
  }
}
