import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hmac } from "../packages/webhook-consumer/src/signature.ts";
import { launch, type Launched } from "./launch.ts";
import { whyMissing } from "./setup.ts";
import { command, output, publish } from "./testing.ts";
import { guess } from "./webhook/guess.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(60_000);

const webhook = (...args: string[]) => output("webhook", args);

// The vectors that the schemes' authors have published.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY = '{"test": 2432232314}';
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED = [
  `webhook-id: ${ID}`,
  "webhook-timestamp: 1614265330",
  "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
];
const GITHUB_SECRET = "It's a Secret to Everybody";
const GITHUB_SIGNED = [
  "x-github-delivery: 1-1",
  "x-github-event: ping",
  "x-hub-signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
];
const headerArgs = (headers: readonly string[]) => headers.flatMap((line) => ["-H", line]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidings-webhook-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("sign", () => {
  const standard = ["--secret", SECRET, "--id", ID, "--timestamp", "1614265330"];

  test("prints the headers of Standard Webhooks' own example, and a curl command", async () => {
    const { code, stdout, stderr } = await webhook("sign", ...standard, BODY);
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
    expect(stdout).toEqual([
      ...SIGNED,
      "",
      "curl 'http://127.0.0.1:4000/' \\",
      "  -H 'content-type: application/json' \\",
      ...SIGNED.map((line) => `  -H '${line}' \\`),
      `  --data-binary '${BODY}'`,
    ]);
  });

  test("prints the headers of GitHub's own example", async () => {
    const args = ["--scheme", "github", "--secret", GITHUB_SECRET, "--id", "1-1", "Hello, World!"];
    const { code, stdout } = await webhook("sign", ...args);
    expect(code).toBe(0);
    expect(stdout.slice(0, 3)).toEqual(GITHUB_SIGNED);
  });

  test("signs for Stripe with the secret as it stands, once for each secret", async () => {
    const secrets = ["--secret", "whsec_one", "--secret", "whsec_two"];
    const args = ["--scheme", "stripe", ...secrets, "--timestamp", "5", "{}"];
    const mac = (secret: string) => hmac(secret, "5.", Buffer.from("{}"), "hex");
    const { stdout } = await webhook("sign", ...args);
    expect(stdout[0]).toBe(`stripe-signature: t=5,v1=${mac("whsec_one")},v1=${mac("whsec_two")}`);
  });

  test("signs a file's bytes as they are", async () => {
    const file = join(folder, "body.json");
    await Bun.write(file, BODY);
    const { stdout } = await webhook("sign", ...standard, `@${file}`);
    expect(stdout.slice(0, 3)).toEqual(SIGNED);
    expect(stdout.at(-1)).toBe(`  --data-binary '@${file}'`);
  });
});

describe("verify", () => {
  const standard = ["--secret", SECRET, ...headerArgs(SIGNED), "--now", "1614265333"];

  test("accepts Standard Webhooks' own example", async () => {
    const other = `whsec_${Buffer.alloc(32).toString("base64")}`;
    const { code, stdout } = await webhook("verify", "--secret", other, ...standard, BODY);
    expect(code).toBe(0);
    expect(stdout).toEqual([
      "accepted: standard",
      `  signed bytes \`${ID}.1614265330.${BODY}\` (60 bytes)`,
      "  given        v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      expect.stringMatching(/^  secret 1     makes v1,.{44}$/),
      "  secret 2     makes v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      "  matches      secret 2 of 2",
      "  clock        signed 3 s ago",
    ]);
  });

  test("accepts GitHub's own example", async () => {
    const args = ["--scheme", "github", "--secret", GITHUB_SECRET, ...headerArgs(GITHUB_SIGNED)];
    const { code, stdout } = await webhook("verify", ...args, "Hello, World!");
    expect(code).toBe(0);
    expect(stdout[0]).toBe("accepted: github");
  });

  test("refuses what is old, and says how old, and that the signature is right", async () => {
    const { code, stdout } = await webhook("verify", ...standard, "--now", "1614268930", BODY);
    expect(code).toBe(1);
    expect(stdout[0]).toBe(
      "refused: webhook-signature: the signed timestamp is more than 300 seconds off; check both clocks.",
    );
    expect(stdout).toContain("  matches      secret 1 of 1");
    expect(stdout).toContain("  clock        signed 60 min ago");
  });

  test.each([
    ["another line end", "a\r\nb", "a\nb", "LF line ends"],
    ["JSON that was written anew", '{"a":1}', '{"a": 1}', "JSON.stringify"],
    ["JSON that was indented", '{\n  "a": 1\n}', '{"a":1}', "indented by two"],
    ["Python's JSON", '{"a": [1, 2], "b": {}}', '{"a":[1,2],"b":{}}', "json.dumps"],
    ["a line end too many", "a", "a\n", "without the line end"],
  ])("shows the bytes that do not fit, and guesses: %s", async (_, signed, body, hint) => {
    // The hint names what would be accepted; here that is what was signed, but for the line ends.
    const bytes = Buffer.from(hint === "LF line ends" ? body : signed);
    const came = hint === "LF line ends" ? signed : body;
    const signature = `webhook-signature: v1,${hmac(Buffer.from(SECRET.slice(6), "base64"), "m.5.", bytes, "base64")}`;
    const headers = headerArgs(["webhook-id: m", "webhook-timestamp: 5", signature]);
    const args = ["--secret", SECRET, "--now", "5", ...headers, came];
    const { code, stdout } = await webhook("verify", ...args);
    expect(code).toBe(1);
    const shown = came.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
    expect(stdout).toContain(`  signed bytes \`m.5.${shown}\` (${came.length + 4} bytes)`);
    expect(stdout).toContain("  matches      no secret");
    expect(stdout.at(-1)).toMatch(new RegExp(`^  hint .*${hint}.*would be accepted`));
  });

  test("escapes what cannot be seen, and what is not UTF-8", async () => {
    const file = join(folder, "bytes");
    await Bun.write(file, Buffer.from([0x61, 0xff, 0x00, 0x1b, 0x60, 0x5c]));
    const { stdout } = await webhook("verify", ...standard, `@${file}`);
    expect(stdout[1]).toEndWith(".1614265330.a\\xff\\x00\\x1b\\`\\\\` (46 bytes)");
  });
});

describe("a guess", () => {
  const bare = SECRET.slice("whsec_".length);
  const key = Buffer.from(bare, "base64");
  const body = Buffer.from('{"id":"evt_1"}');
  const id = { "webhook-id": "m", "webhook-timestamp": "5" };
  const standard = (signature: string) => ({ ...id, "webhook-signature": `v1,${signature}` });
  const stripe = (signature: string) => ({ "stripe-signature": `t=5,v1=${signature}` });

  test.each([
    ["standard", standard(hmac(SECRET, "m.5.", body, "base64")), ["the secret's text, as it"]],
    ["standard", standard(hmac(bare, "m.5.", body, "base64")), ["text without whsec_; standard"]],
    ["standard", standard(hmac(key, "m.5.", body, "hex")), ["writes it v1,<base64>"]],
    ["standard", standard(hmac(key, "5.", body, "base64")), ["signed was timestamp.body"]],
    ["standard", standard(hmac(key, "5.m.", body, "base64")), ["signed was timestamp.id.body"]],
    ["standard", standard(hmac(key, "evt_1.5.", body, "base64")), ["id that lies in the body"]],
    [
      "standard",
      { ...id, "webhook-signature": `sha256=${hmac(SECRET, "", body, "hex")}` },
      ["the key was", "signed was the body alone"],
    ],
    ["standard", stripe(hmac(SECRET, "5.", body, "hex")), ["try --scheme stripe"]],
    ["stripe", stripe(hmac(key, "5.", body, "hex")), ["the bytes that the secret is the base64"]],
    ["stripe", stripe(hmac(`${SECRET}\n`, "5.", body, "hex")), ["a line end behind it"]],
    ["stripe", standard(""), ["try --scheme standard"]],
    ["github", { "x-hub-signature-256": hmac(SECRET, "", body, "hex") }, ["sha256=<hex>"]],
    ["standard", standard(hmac("another", "m.5.", body, "base64")), []],
    ["github", {}, []],
  ] as const)("%s, %j: %j", (scheme, headers, hints) => {
    const found = guess(scheme, new Headers(Object.entries(headers)), body, [SECRET]);
    expect(found).toHaveLength(hints.length);
    hints.forEach((hint, index) => expect(found[index]).toContain(hint));
  });
});

describe("send", () => {
  let consumer: Launched;
  beforeAll(async () => {
    const secrets = { standard: [SECRET], github: [GITHUB_SECRET], stripe: ["whsec_one"] };
    consumer = await launch("webhook-consumer", { options: { secrets } });
  });
  afterAll(() => consumer.stop());

  test.each([
    ["standard", SECRET],
    ["github", GITHUB_SECRET],
    ["stripe", "whsec_one"],
  ])("posts an event that a consumer takes: %s", async (scheme, secret) => {
    const url = `${consumer.url}/webhooks/${scheme}`;
    const args = ["--scheme", scheme, "--secret", secret, "--type", "order.paid", "--id", "1-1"];
    const { code, stdout, stderr } = await webhook("send", url, ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
    expect(stdout).toEqual([
      expect.stringMatching(/^200 OK in \d+ ms$/),
      '{"id":"1-1","duplicate":false}',
    ]);
  });

  test("an answer that is no 2xx is shown, and exit code 1", async () => {
    const url = `${consumer.url}/webhooks/stripe`;
    const { code, stdout } = await webhook("send", url, "--secret", SECRET, "{}");
    expect(code).toBe(1);
    expect(stdout[0]).toMatch(/^401 Unauthorized in \d+ ms$/);
    expect(stdout[1]).toContain("stripe-signature: is missing.");
  });

  test("nobody there is one line, and exit code 1", async () => {
    const { code, stdout, stderr } = await webhook(
      "send",
      "http://127.0.0.1:1",
      "--secret",
      SECRET,
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: [] });
    expect(stderr).toEqual([
      expect.stringMatching(/^tidings: http:\/\/127.0.0.1:1 did not answer/),
    ]);
  });
});

/** A receiver that listens, and where. */
const listen = async (...args: string[]) => {
  const receiver = command("webhook", ["listen", "--port", "0", ...args]);
  const [, url = ""] = /^listening on (\S+);/.exec(await receiver.line(isListening)) ?? [];
  return { ...receiver, url };
};
const isListening = (line: string) => line.startsWith("listening on ");
const has =
  (...texts: string[]) =>
  (line: string) =>
    texts.every((text) => line.includes(text));

describe("listen, replay and endpoints", () => {
  let provider: Launched;
  beforeAll(async () => {
    provider = await launch("webhook-provider", { options: { scheduleScale: 0.0001 } });
  });
  afterAll(() => provider.stop());

  test("registers, shows what comes, fails on purpose, and unregisters on Ctrl-C", async () => {
    const at = ["--provider", provider.url];
    await using receiver = await listen(...at, "--types", "order.paid", "--fail", "2");
    await receiver.line(has(`registered at ${provider.url}`));
    await publish(provider.url, "order.lost", {});
    const id = await publish(provider.url, "order.paid", { amount: 4200 });

    const third = await receiver.line(has(id, "attempt 3"));
    expect(third).toMatch(
      /^\d\d:\d\d:\d\d  standard  \d+-2  order.paid  accepted, attempt 3  → 200  \{.*"data":\{"amount":4200\}\}$/,
    );
    expect(receiver.lines.stdout.slice(2)).toEqual([
      expect.stringContaining("accepted, failed on purpose  → 500"),
      expect.stringContaining("accepted, attempt 2, failed on purpose  → 500"),
      third,
    ]);

    const { stdout: listed } = await webhook("endpoints", ...at);
    const [endpoint = ""] = listed[0]?.split("  ") ?? [];
    expect(listed).toEqual([`${endpoint}  ${receiver.url}  order.paid  enabled`]);

    const replayed = await webhook("replay", endpoint, "--id", id, ...at);
    expect(replayed.stdout).toEqual([`${id} will be delivered to ${endpoint} again`]);
    await receiver.line(has(id, "accepted, attempt 4, duplicate  → 200"));
    await webhook("replay", endpoint, "--after", "0-0", ...at);
    await receiver.line(has(id, "accepted, attempt 5, duplicate  → 200"));

    const { stdout: deliveries } = await webhook("endpoints", endpoint, ...at);
    expect(deliveries[0]).toMatch(new RegExp(`^${id}  order.paid  (waiting|delivered)`));
    expect(deliveries[1]).toMatch(/^  \d\d:\d\d:\d\d  500 in \d+ ms  failed on purpose$/);
    expect(deliveries[3]).toMatch(/^  \d\d:\d\d:\d\d  200 in \d+ ms  accepted$/);

    receiver.kill("SIGINT");
    expect(await receiver.exited).toEqual({ code: 0, signal: null });
    expect((await webhook("endpoints", ...at)).stdout).toEqual([
      `${provider.url} has no endpoints`,
    ]);
    // The secret is the provider's and ours; nobody asked to see it.
    expect([...receiver.lines.stdout, ...receiver.lines.stderr].join()).not.toContain("whsec_");
  });

  test("ends, and unregisters, when nobody reads it any more", async () => {
    const args = ["webhook.ts", "listen", "--port", "0", "--provider", provider.url];
    const receiver = Bun.spawn([process.execPath, ...args], {
      cwd: import.meta.dir,
      stdout: "pipe",
      stderr: "ignore",
    });
    let text = "";
    for await (const chunk of receiver.stdout.pipeThrough(new TextDecoderStream()))
      if ((text += chunk).includes("registered at")) break;
    // Lines that find nobody: the closed pipe is noticed when something is written to it.
    while (receiver.exitCode === null) await publish(provider.url, "order.paid", {});
    expect(await receiver.exited).toBe(0);
    const { stdout } = await webhook("endpoints", "--provider", provider.url);
    expect(stdout).toEqual([`${provider.url} has no endpoints`]);
  });

  test("an unknown endpoint, and a provider that refuses us, are one line", async () => {
    const at = ["--provider", provider.url];
    const unknown = await webhook("replay", "ep_none", "--id", "1-1", ...at);
    expect(unknown).toEqual({
      code: 1,
      stdout: [],
      stderr: [expect.stringContaining("id: there is no such endpoint")],
    });
    const elsewhere = ["--port", "0", "--public-url", "http://10.0.0.1/"];
    const refused = await webhook("listen", ...at, ...elsewhere);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toEqual([expect.stringContaining("url: must lead to a public address")]);
  });

  test("finds the provider that bun start runs, and shows it the token", async () => {
    const env = { TIDINGS_TOKEN: "sesame" };
    await using guarded = await launch("webhook-provider", { env });
    const file = join(folder, "servers.json");
    const running = { name: "webhook-provider", url: guarded.url, publish: true };
    await Bun.write(file, JSON.stringify({ pid: process.pid, servers: [running] }));
    const where = { TIDINGS_SERVERS: file };
    const listed = await output("webhook", ["endpoints"], { ...env, ...where });
    expect(listed.stdout).toEqual([`${guarded.url} has no endpoints`]);
    const refused = await output("webhook", ["endpoints"], where);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toEqual([expect.stringContaining("authorization: send")]);
  });
});

describe("listen with secrets", () => {
  const secrets = ["--secret", SECRET, "--github", GITHUB_SECRET, "--stripe", "whsec_one"];

  test("tells the schemes apart, and says why it refuses", async () => {
    await using receiver = await listen(...secrets);
    const send = (...args: string[]) => webhook("send", receiver.url, ...args);
    expect((await send("--secret", SECRET, "--id", "a-1")).stdout[1]).toBe("accepted");
    expect((await send("--scheme", "stripe", "--secret", "whsec_one", "--id", "a-2")).code).toBe(0);
    const push = ["--scheme", "github", "--secret", GITHUB_SECRET, "--id", "a-3", "--type", "push"];
    expect((await send(...push)).code).toBe(0);
    expect((await send("--scheme", "stripe", "--secret", "whsec_two")).code).toBe(1);
    const unsigned = await fetch(receiver.url, { method: "POST", body: "a\u001b[31m\nb" });
    expect(unsigned.status).toBe(401);
    const early = `a-4.5.`;
    const mac = hmac(Buffer.from(SECRET.slice(6), "base64"), early, Buffer.from("{}"), "base64");
    const headers = {
      "webhook-id": "a-4",
      "webhook-timestamp": "5",
      "webhook-signature": `v1,${mac}`,
    };
    expect((await fetch(receiver.url, { method: "POST", headers, body: "{}" })).status).toBe(401);
    expect((await fetch(receiver.url)).status).toBe(405);
    const large = await fetch(receiver.url, { method: "POST", body: "x".repeat(2 ** 20 + 1) });
    expect(large.status).toBe(413);

    await receiver.line(has("a-4"));
    const shown = receiver.lines.stdout.slice(1).map((line) => line.slice("00:00:00  ".length));
    expect(shown).toEqual([
      expect.stringMatching(/^standard  a-1  ping  accepted  → 200  \{"type":"ping",/),
      expect.stringMatching(/^stripe  a-2  ping  accepted  → 200  /),
      expect.stringMatching(/^github  a-3  push  accepted  → 200  /),
      expect.stringMatching(
        /^stripe  evt_.* refused: stripe-signature: is not the signature.*→ 401/,
      ),
      "unsigned  refused: there is no signature that is known here  → 401  a\u{fffd}[31m b",
      expect.stringMatching(/^standard  a-4  refused: .*seconds off; check both clocks.  → 401/),
    ]);
  });

  test.skipIf(whyMissing("curl") !== undefined)(
    "what sign prints for curl arrives, byte for byte",
    async () => {
      await using receiver = await listen("--github", GITHUB_SECRET, "--verbose");
      const body = `{"it's": "a\\nb"}`;
      const scheme = ["--scheme", "github", "--secret", GITHUB_SECRET, "--id", "1-1"];
      const signed = await webhook("sign", ...scheme, "--url", receiver.url, body);
      const line = signed.stdout.slice(4).join("\n");
      const curl = Bun.spawn(["sh", "-c", line], { stdout: "pipe", stderr: "ignore" });
      expect(await curl.stdout.text()).toBe("accepted\n");
      // With --verbose the body follows, as it came.
      expect(await receiver.line((text) => text === `  ${body}`)).toBeDefined();
      expect(receiver.lines.stdout).toContain("  x-github-delivery: 1-1");
    },
  );

  test("hands on what is accepted, and nothing else, and its answer back", async () => {
    const came: { body: string; signature: string | null }[] = [];
    using target = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const signature = request.headers.get("webhook-signature");
        came.push({ body: await request.text(), signature });
        return new Response("not now", { status: 503 });
      },
    });
    await using receiver = await listen("--secret", SECRET, "--forward", target.url.href);
    const other = `whsec_${Buffer.alloc(32).toString("base64")}`;
    expect((await webhook("send", receiver.url, "--secret", other, BODY)).code).toBe(1);
    const sent = await webhook("send", receiver.url, "--secret", SECRET, BODY);
    expect(sent.stdout[0]).toStartWith("503 ");
    expect(sent.stdout[1]).toBe("not now");
    expect(came).toEqual([{ body: BODY, signature: expect.stringMatching(/^v1,/) }]);
    await receiver.line(has("accepted", "→ 503"));
  });

  test("--status alone fails for ever", async () => {
    await using receiver = await listen("--secret", SECRET, "--status", "410");
    for (const _ of [1, 2])
      expect((await webhook("send", receiver.url, "--secret", SECRET)).stdout[0]).toStartWith(
        "410",
      );
  });
});

test.each([[], ["listen"], ["sign"], ["verify"], ["send"], ["endpoints"], ["replay"]])(
  "webhook %s --help is the usage, in 80 columns",
  async (...name) => {
    const { code, stdout, stderr } = await webhook(...name, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
    expect(stdout[0]).toStartWith(`usage: bun run webhook ${name[0] ?? "<command>"} `);
    expect(stdout.filter((line) => line.length > 80)).toEqual([]);
  },
);

test.each([
  [[], "webhook takes a command"],
  [["lisen"], "unknown command lisen"],
  [["toString"], "unknown command toString"],
  [["sign", "{}"], "--secret is missing: the secret that signs"],
  [["sign", "--secret", "sesame", "{}"], "--secret must be `whsec_` and 24 to 64 bytes in base64."],
  [["sign", "--secret", SECRET, "a", "b"], "sign takes one BODY; quote it for your shell"],
  [["sign", "--secret", SECRET, "@/no/such/file"], "BODY: "],
  [["sign", "--secret", SECRET, "--timestamp", "now", ""], "--timestamp must be a whole number"],
  [["sign", "--secret", SECRET, "--scheme", "svix"], "--scheme must be standard, github, stripe"],
  [["verify", "--secret", SECRET, "-H", "webhook-id", "{}"], "--header must be 'NAME: VALUE', not"],
  [["send", "--secret", SECRET], "send takes a URL and at most one BODY"],
  [["send", "ftp://x", "--secret", SECRET], "URL must be an http or https URL"],
  [["send", "http://x", "--secret", SECRET, "--type", "a", "{}"], "--type is for the small event"],
  [
    ["sign", "--secret", SECRET, "--id", "a\r\nb", "{}"],
    "--id must be 1 to 255 visible characters",
  ],
  [["sign", "--secret", SECRET, "--url", "x", "{}"], "--url must be an http or https URL"],
  [
    ["send", "http://x", "--secret", SECRET, "--id", ""],
    "--id must be 1 to 255 visible characters",
  ],
  [["replay", "ep_1"], "replay needs either --id or --after"],
  [["replay", "--id", "1-1"], "replay takes one endpoint's id"],
  [["endpoints", "--provider", "x"], '--provider must be an http or https URL, not "x"'],
  [["listen", "--port", "x"], "--port must be a whole number"],
  [
    ["listen", "--secret", SECRET, "--types", "a"],
    "--types and --public-url are for a registration",
  ],
  [["listen", "--github", ""], "--github must be a text"],
])("wrong arguments: webhook %j", async (args, complaint) => {
  const { code, stdout, stderr } = await webhook(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: [] });
  expect(stderr[0]).toStartWith(`tidings: ${complaint}`);
});

test("no provider is one line", async () => {
  const { code, stderr } = await webhook("listen", "--port", "0");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: ["tidings: no provider is running; `bun start`, or name one: --provider URL"],
  });
});
