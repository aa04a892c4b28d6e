// The run that the README shows: a payment that survives a dead receiver. It is played with the
// very commands that stand there; only ports, ids, secrets and times are other ones.
import { mkdtempDisposable } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { tmpdir } from "node:os";
import { launch } from "../launch.ts";
import { find } from "../setup.ts";
import { deliveriesOf } from "./endpoints.ts";

const root = resolve(import.meta.dir, "../..");

// What is drawn anew each time is always shown as the same sample.
const PROVIDER = "3005";
const RECEIVER = "4000";
const ENDPOINT = "ep_019aa3d4-1f7b-7cc0-8000-5c1d2e3f4a5b";
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const EPOCH = "1763675000123";

const OPTIONS = { scheduleScale: 0.02 };
const START = `bun scripts/serve.ts webhook-provider --port ${PROVIDER} --options '${JSON.stringify(OPTIONS)}'`;
const SUBSCRIBE = `curl -s http://127.0.0.1:${PROVIDER}/payment/success \\
    -H 'content-type: application/json' -d '{"url": "http://127.0.0.1:${RECEIVER}/"}'`;
const LISTEN = `bun run webhook listen --port ${RECEIVER} --secret ${SECRET}`;
const PUBLISH = (amount: number) => `bun run publish payment.success '{"amount": ${amount}}'`;
const ENDPOINTS = `bun run webhook endpoints ${ENDPOINT}`;

/** Plays it, and returns the terminal's text. */
export const story = async (): Promise<string> => {
  if (!find("curl")) throw new Error("There is no curl here; `bun scripts/setup.ts` gets it.");
  await using opened = new AsyncDisposableStack();
  const provider = opened.use(await launch("webhook-provider", { options: OPTIONS }));
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "tidings-story-")));
  const servers = join(folder.path, "servers.json");
  const running = { name: "webhook-provider", url: provider.url, publish: true };
  await Bun.write(servers, JSON.stringify({ pid: process.pid, servers: [running] }));

  // A port that is free now; nobody else is likely to take it in between.
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const samples = new Map([
    [PROVIDER, new URL(provider.url).port],
    [RECEIVER, `${taken.port}`],
  ]);
  taken.stop(true);
  const real = (text: string) => swap(text, samples);
  /** Times follow each other, so each text is given those that it shows. */
  const shown = (text: string, times: readonly string[]) => {
    const rest = [...times];
    const sampled = swap(text, new Map([...samples].map(([sample, value]) => [value, sample])));
    return twoFailures(sampled)
      .replace(
        /\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d\d:\d\d:\d\d\b/g,
        () => rest.shift() ?? "too many times",
      )
      .replace(/ in \d+ ms/g, " in 2 ms")
      .trimEnd();
  };
  const start = (line: string) => {
    const child = Bun.spawn(["sh", "-c", `exec ${real(line)}`], {
      cwd: root,
      env: {
        ...process.env,
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
        TIDINGS_SERVERS: servers,
        TIDINGS_TOKEN: "",
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    opened.defer(() => child.kill());
    return child;
  };
  const run = (line: string) => start(line).stdout.text();

  const subscribed = await run(SUBSCRIBE);
  const { id, secret, cursor }: { id: string; secret: string; cursor: string } =
    JSON.parse(subscribed);
  samples.set(ENDPOINT, id);
  samples.set(SECRET, secret);
  samples.set(EPOCH, cursor.slice(0, cursor.indexOf("-")));

  /** Listens until an event is shown; then the receiver is killed. Returns all that it printed. */
  const listen = async (meanwhile: () => Promise<string>) => {
    const receiver = start(LISTEN);
    let [text, said] = ["", ""];
    for await (const chunk of receiver.stdout.pipeThrough(new TextDecoderStream())) {
      if (text === "") said = await meanwhile();
      text += chunk;
      if (text.includes("payment.success")) receiver.kill("SIGINT");
    }
    await receiver.exited;
    return { text, said };
  };
  const first = await listen(() => run(PUBLISH(4200)));
  const missed = await run(PUBLISH(4300));
  // The second attempt follows soon; the third one leaves time to look.
  const newest = async () => (await deliveriesOf(provider.url, id))[0];
  while (((await newest())?.attempts.length ?? 0) < 2) await Bun.sleep(20);
  const waiting = await run(ENDPOINTS);
  const second = await listen(async () => "");
  while ((await newest())?.state !== "delivered") await Bun.sleep(20);
  const delivered = await run(ENDPOINTS);

  const [start1, came1 = ""] = first.text.split(/\n(?=\d\d:)/);
  return [
    "# start a provider whose schedule runs 50 times as fast",
    `$ ${START}`,
    `ready http://127.0.0.1:${PROVIDER}`,
    "",
    "# in another terminal, subscribe a URL to a type",
    `$ ${SUBSCRIBE}`,
    shown(subscribed, ["2025-11-20T21:47:30.000Z"]),
    "",
    "# in a third one, receive: the secret is the one that you were given",
    `$ ${LISTEN}`,
    shown(start1 ?? "", []),
    "",
    "# publish a payment …",
    `$ ${PUBLISH(4200)}`,
    shown(first.said, []),
    "",
    "# … and the receiver shows it",
    shown(came1, ["21:48:00", "2025-11-20T21:48:00.000Z"]),
    "",
    "# kill the receiver with Ctrl-C, publish another payment, and see the retries",
    `$ ${PUBLISH(4300)}`,
    shown(missed, []),
    `$ ${ENDPOINTS}`,
    shown(waiting, ["21:48:00", "21:48:26", "21:48:20", "21:48:20"]),
    "",
    "# start the receiver again: with the next attempt it arrives, once",
    `$ ${LISTEN}`,
    shown(second.text, ["21:48:26", "2025-11-20T21:48:20.000Z"]),
    `$ ${ENDPOINTS}`,
    shown(delivered, ["21:48:00", "21:48:20", "21:48:20", "21:48:26"]),
  ].join("\n");
};

/** Puts each key's value in its place, in one pass: no value is taken for another key. */
const swap = (text: string, values: ReadonlyMap<string, string>): string =>
  text.replace(
    new RegExp([...values.keys()].map((key) => RegExp.escape(key)).join("|"), "g"),
    (key) => values.get(key) ?? key,
  );

/** On a slow machine there may have been another attempt by now. */
const twoFailures = (text: string): string => {
  let failures = 0;
  const isOneMore = (line: string) => /^ {2}.*ECONNREFUSED/.test(line) && ++failures > 2;
  return text
    .split("\n")
    .filter((line) => !isOneMore(line))
    .join("\n");
};

if (import.meta.main) console.log(await story());
