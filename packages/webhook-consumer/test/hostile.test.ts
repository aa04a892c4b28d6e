import { Feed } from "@tidings/shared/server";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  spyOn,
  test,
} from "bun:test";
import { equal } from "../src/signature.ts";
import { server } from "../src/server.ts";
import { schemes, SENDERS, type Sender } from "../src/verify.ts";

const SECRETS = {
  standard: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
  github: ["It's a Secret to Everybody"],
  stripe: ["whsec_of_stripe"],
} as const satisfies Record<Sender, readonly string[]>;

const BODIES: Readonly<Record<Sender, string>> = {
  standard: '{"type":"a.b","timestamp":"2026-01-02T03:04:05.678Z","data":{}}',
  github: '{"zen":"Keep it logically awesome."}',
  stripe: '{"id":"evt_1","type":"a.b","created":1700000000,"data":{}}',
};

const closing = new AbortController();
const ended: Promise<unknown>[] = [];
let app: ReturnType<typeof server>;
let url: URL;
let effects = 0;
let id = 0;
beforeAll(() => {
  app = server({
    feed: new Feed(),
    secrets: SECRETS,
    onEvent: () => void effects++,
    signal: closing.signal,
    waitUntil: (work) => ended.push(work),
  }).listen({ port: 0, hostname: "127.0.0.1", reusePort: false });
  url = new URL(app.server?.url ?? "");
});
afterAll(async () => {
  closing.abort();
  await Promise.all(ended);
  await app.server?.stop(true);
});

// All that was answered and logged in a test; none of it may help a forger.
let told: string[] = [];
let log: ReturnType<typeof spyOn>;
beforeEach(() => {
  told = [];
  effects = 0;
  log = spyOn(console, "error").mockImplementation((...args) => {
    told.push(Bun.inspect(args));
  });
});
afterEach(() => {
  log.mockRestore();
  const text = told.join("\n");
  for (const secret of Object.values(SECRETS).flat()) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/v1[,=][\w+/]{40}|sha256=[0-9a-f]{64}/);
});

const signed = (sender: Sender, body: string | Uint8Array = BODIES[sender]) => ({
  "content-type": "application/json",
  ...schemes[sender].sign(
    {
      id: `m-${++id}`,
      type: "ping",
      timestamp: Math.floor(Date.now() / 1000),
      body: Buffer.from(body),
    },
    SECRETS[sender],
  ),
});

const post = async (
  sender: Sender,
  headers: Record<string, string>,
  body: Bun.BodyInit = BODIES[sender],
  method = "POST",
) => {
  const response = await fetch(new URL(`/webhooks/${sender}`, url), { method, headers, body });
  const text = await response.text();
  told.push(text);
  return { status: response.status, headers: response.headers, text };
};

const large = "x".repeat(65_536);

describe.each(SENDERS)("%s", (sender) => {
  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["no UTF-8", new Uint8Array([0x7b, 0xff, 0x7d])],
    ["brackets", "[".repeat(60_000)],
    ["a NUL", "\0"],
    ["what was signed, and a blank", `${BODIES[sender]} `],
  ])("CONSUMER-1: a bad signature is a 401, and the body is %s", async (_, body) => {
    const { status, text } = await post(sender, signed(sender), body);
    expect(status).toBe(401);
    expect(JSON.parse(text)).toMatchObject({ title: "Not authorized", status: 401 });
    expect(effects).toBe(0);
  });

  test("CONSUMER-1: without any header it is a 401, whatever the media type is", async () => {
    for (const type of ["application/json", "text/html", "multipart/form-data; boundary=x"])
      expect((await post(sender, { "content-type": type })).status).toBe(401);
  });

  test("CONSUMER-2: 64 KiB are read, and not a byte more", async () => {
    const body = `{"a":"${"x".repeat(65_536 - 8)}"}`;
    expect(Buffer.byteLength(body)).toBe(65_536);
    // It has no type, but it was read and verified.
    expect((await post(sender, signed(sender, body), body)).status).not.toBe(413);
    expect((await post(sender, signed(sender, `${body} `), `${body} `)).status).toBe(413);
  });

  test("CONSUMER-9: only POST, and no other path", async () => {
    for (const method of ["PUT", "PATCH", "DELETE"]) {
      const { status, headers } = await post(sender, signed(sender), BODIES[sender], method);
      expect(status).toBe(405);
      expect(headers.get("allow")).toBe("POST");
    }
    const { status } = await fetch(new URL(`/webhooks/${sender}`, url));
    expect(status).toBe(405);
    for (const path of [`/webhooks/${sender}/x`, "/webhooks/nobody", "/webhooks"]) {
      const response = await fetch(new URL(path, url), { method: "POST", body: BODIES[sender] });
      expect(response.status).toBe(404);
    }
  });

  test("CONSUMER-9: a form is a 415 that says what to change", async () => {
    const body = `payload=${encodeURIComponent(BODIES[sender])}`;
    const headers = {
      ...signed(sender, body),
      "content-type": "application/x-www-form-urlencoded",
    };
    const { status, text } = await post(sender, headers, body);
    expect(status).toBe(415);
    expect(JSON.parse(text).detail).toBe(
      "content-type: must be application/json; choose that where the webhook was set up.",
    );
  });

  test.each(["[]", "1", "null", '"x"', "{}x", "", '{"a":1}', "[".repeat(60_000)])(
    "CONSUMER-9: signed, but %p is no event: 400",
    async (body) => {
      // GitHub's body may be any object.
      if (sender === "github" && body.startsWith("{") && !body.endsWith("x")) return;
      const { status, headers } = await post(sender, signed(sender, body), body);
      expect(status).toBe(400);
      expect(headers.get("content-type")).toBe("application/problem+json");
      expect(effects).toBe(0);
    },
  );

  test("CONSUMER-9: signed, but not UTF-8: 400, and nobody repairs it", async () => {
    const body = Buffer.from(BODIES[sender].replace("{}", '{"x":"~"}').replace("awesome", "~"));
    body[body.indexOf("~")] = 0xff;
    expect((await post(sender, signed(sender, body), body)).status).toBe(400);
    expect(effects).toBe(0);
  });

  test("CONSUMER-9: signed, and thousands of levels deep: it is taken, and shown", async () => {
    const deep = "[".repeat(20_000) + "]".repeat(20_000);
    const body =
      sender === "github"
        ? `{"data":${deep}}`
        : BODIES[sender].replace('"data":{}', `"data":${deep}`);
    const headers = signed(sender, body.replace("evt_1", "evt_deep"));
    expect((await post(sender, headers, body.replace("evt_1", "evt_deep"))).status).toBe(200);
    expect(effects).toBe(1);
    expect((await fetch(new URL("/events?after=0-0", url))).status).toBe(200);
  });

  test("CONSUMER-7, CONSUMER-8: fifty at once over as many connections are fifty 2xx and one effect", async () => {
    const body = BODIES[sender].replace("evt_1", `evt_fifty`);
    const headers = signed(sender, body);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post(sender, { ...headers, connection: "close" }, body)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(answers.filter(({ text }) => !JSON.parse(text).duplicate)).toHaveLength(1);
    expect(effects).toBe(1);
  });

  test("header lists are bounded", async () => {
    const [name = ""] = Object.keys(
      schemes[sender].sign(
        { id: "a", type: "a", timestamp: 0, body: Buffer.of() },
        SECRETS[sender],
      ),
    ).filter((one) => one.includes("signature"));
    const headers: Record<string, string> = signed(sender);
    const one = headers[name] ?? "";
    const separator = sender === "standard" ? " " : ",";
    const many = Array.from({ length: 40 }, () => one).join(separator);
    expect((await post(sender, { ...headers, [name]: many })).status).toBe(401);
  });
});

/** Sends bytes, and returns the answer's first line; the connection stays open on our side. */
const raw = async (...chunks: string[]): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(_, bytes) {
        answer += bytes.toString();
        if (answer.includes("\r\n\r\n")) resolve(answer.split("\r\n")[0] ?? "");
      },
      close: () => resolve(answer.split("\r\n")[0] ?? ""),
      error: () => resolve(answer.split("\r\n")[0] ?? ""),
    },
  });
  for (const chunk of chunks) socket.write(chunk);
  socket.flush();
  const line = await promise;
  socket.terminate();
  return line;
};

const head = (more: string) =>
  `POST /webhooks/standard HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${more}\r\n\r\n`;

describe("CONSUMER-2: what is too large is refused before it is held", () => {
  test("by what it says, before any of it came", async () => {
    for (const length of ["65537", "10000000000"])
      expect(await raw(head(`content-length: ${length}`))).toBe("HTTP/1.1 413 Payload Too Large");
  });

  test("in chunks, while it comes, without its end", async () => {
    const chunk = `10000\r\n${large}\r\n`;
    expect(await raw(head("transfer-encoding: chunked"), chunk, "1\r\nx\r\n")).toBe(
      "HTTP/1.1 413 Payload Too Large",
    );
  });

  test("a length that lies is no way in: what is cut off was not signed, what is missing never comes", async () => {
    const lines = Object.entries(signed("standard")).map(([name, value]) => `${name}: ${value}`);
    const lying = (length: number) =>
      `POST /webhooks/standard HTTP/1.1\r\nhost: x\r\n${lines.join("\r\n")}\r\ncontent-length: ${length}\r\n\r\n${BODIES.standard}`;
    expect(await raw(lying(10))).toBe("HTTP/1.1 401 Unauthorized");
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: { data() {}, close: () => end() },
    });
    socket.write(lying(BODIES.standard.length + 1));
    socket.end();
    await ended;
    expect(effects).toBe(0);
    expect(await raw(lying(BODIES.standard.length))).toBe("HTTP/1.1 200 OK");
    expect(effects).toBe(1);
  });

  test("a length that is none is a 400, and nothing of it is an event", async () => {
    for (const length of ["-1", "x", "1.5"])
      expect(await raw(head(`content-length: ${length}`))).toStartWith("HTTP/1.1 400");
    expect(effects).toBe(0);
  });
});

describe("CONSUMER-4: a comparison", () => {
  const right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

  test("finds the difference in every place", () => {
    expect(equal(right, right)).toBe(true);
    for (let place = 0; place < right.length; place++)
      expect(equal(right, `${right.slice(0, place)}~${right.slice(place + 1)}`)).toBe(false);
  });

  test("takes another length for a difference, also where only the bytes are more", () => {
    for (const other of ["", right.slice(1), `${right} `, right.repeat(2), right.replace("=", "é")])
      expect(equal(right, other)).toBe(false);
  });
});

test("CONSUMER-5: GitHub's ping is accepted", async () => {
  const { status, text } = await post("github", signed("github"));
  expect(status).toBe(200);
  expect(JSON.parse(text).duplicate).toBe(false);
});
