import { describe, expect, jest, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "../../../scripts/launch.ts";
import { cert, key } from "./certificate.ts";
import { startProvider } from "./provider.ts";
import { rawServer } from "./raw.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(60_000);

const PUBLIC = "93.184.215.14";
const refused = {
  status: null,
  error: "url: must lead to a public address, not into a private network.",
  answer: "",
} as const;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Answers each look-up with the next of the addresses, and from then on with the last. */
const resolver = (...answers: (readonly string[])[]) => {
  const asked: string[] = [];
  const resolve = async (name: string) => {
    asked.push(name);
    return answers[Math.min(asked.length, answers.length) - 1] ?? [];
  };
  return { asked, resolve };
};

for (const scheme of ["http", "https"] as const)
  describe(`PROVIDER-17: over ${scheme}`, () => {
    const tls = scheme === "https" ? { key, cert } : undefined;

    for (const turned of [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
      test(`a name that was public when it was registered, and leads to ${turned} now`, async () => {
        await using canary = await rawServer(() => {}, tls);
        const { resolve, asked } = resolver([PUBLIC], turned);
        await using provider = startProvider({
          allowLoopback: false,
          allowPorts: [canary.port],
          scheduleScale: 1,
          resolve,
        });
        const { id } = await provider.register({ url: `${scheme}://hook.example:${canary.port}/` });
        jest.useFakeTimers();
        try {
          await provider.publish("a.b", 1);
          for (let attempt = 1; attempt <= 10; attempt++) {
            const [delivery] = await provider.deliveries(
              id,
              ([one]) => one?.attempts.length === attempt,
            );
            expect(delivery!.attempts.at(-1)).toMatchObject(refused);
            expect(delivery!.state).toBe(attempt < 10 ? "waiting" : "dead");
            if (attempt < 10) jest.advanceTimersByTime(delivery!.dueAt! - Date.now());
          }
        } finally {
          jest.useRealTimers();
        }
        // Once when it was registered, and once for each attempt.
        expect(asked).toEqual(Array.from({ length: 11 }, () => "hook.example"));
        expect(canary.connections).toBe(0);
      });

    test("the connection goes to the judged address, whatever the name leads to by now", async () => {
      const hosts: string[] = [];
      const names: string[] = [];
      const SNICallback = (name: string, done: (error: null) => void) => {
        names.push(name);
        done(null);
      };
      // Where the system's resolver leads. Of its ports others use some; of the other address's nobody.
      await using canary = await rawServer(() => {});
      await using good = await rawServer(
        (socket) =>
          socket.on("data", (data) => {
            hosts.push(/^host: (.*)\r$/im.exec(`${data}`)?.[1] ?? "");
            socket.write(ok);
          }),
        tls && { ...tls, SNICallback },
        "127.0.0.2",
        canary.port,
      );
      const { resolve, asked } = resolver(["127.0.0.2"], ["127.0.0.2"], ["127.0.0.1"]);
      await using provider = startProvider({ scheduleScale: 1, resolve });
      const { id } = await provider.register({ url: `${scheme}://localhost:${good.port}/` });
      await provider.publish("a.b", 1);
      const [delivery] = await provider.deliveries(id, ([one]) => one?.attempts.length === 1);
      expect(asked).toEqual(["localhost", "localhost"]);
      expect(good.connections).toBe(1);
      expect(canary.connections).toBe(0);
      if (scheme === "http") {
        expect(delivery!.state).toBe("delivered");
        expect(hosts).toEqual([`localhost:${good.port}`]);
      } else {
        // The name is asked for, and its certificate is looked at: nobody vouches for this one.
        expect(names).toEqual(["localhost"]);
        expect(delivery!.attempts[0]!.error).toMatch(/certificate/i);
      }
    });
  });

test("PROVIDER-17: nothing leads to a kept connection but a judgment of its address", async () => {
  await using server = await rawServer((socket) => socket.on("data", () => socket.write(ok)));
  const { resolve } = resolver(["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]);
  await using provider = startProvider({ scheduleScale: 1, resolve });
  const { id } = await provider.register({ url: `http://hook.example:${server.port}/` });
  jest.useFakeTimers();
  try {
    await provider.publish("a.b", 1);
    await provider.deliveries(id, ([one]) => one?.state === "delivered");
    await provider.publish("a.b", 2);
    const [second] = await provider.deliveries(id, ([one]) => one?.attempts.length === 1);
    expect(second).toMatchObject({ state: "waiting", attempts: [refused] });
    // It is a failure like any other: when the name leads back, the event is delivered.
    jest.advanceTimersByTime(second!.dueAt! - Date.now());
    await provider.deliveries(id, ([one]) => one?.state === "delivered");
  } finally {
    jest.useRealTimers();
  }
});

test("PROVIDER-17: over https the certificate must be the name's, on a kept connection, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "provider-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, cert);
  await using server = await rawServer((socket) => socket.on("data", () => socket.write(ok)), {
    key,
    cert,
  });
  await using provider = await launch("webhook-provider", { env: { NODE_EXTRA_CA_CERTS: ca } });
  const post = async (path: string, body?: unknown) => {
    const response = await fetch(`${provider.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return JSON.parse(await response.text());
  };
  // Both lead to the same address, and the certificate is for the first of them.
  const tested = async (host: string) => {
    const { id } = await post("/endpoints", { url: `https://${host}:${server.port}/` });
    return post(`/endpoints/${id}/test`);
  };
  expect(await tested("localhost")).toMatchObject({ status: 200, error: null });
  expect(await tested("127.0.0.1")).toMatchObject({ status: null });
  expect(await tested("localhost")).toMatchObject({ status: 200, error: null });
  rmSync(folder, { recursive: true });
});

test("PROVIDER-17: the dot that ends a name is no part of what TLS asks for", async () => {
  const names: string[] = [];
  const SNICallback = (name: string, done: (error: null) => void) => {
    names.push(name);
    done(null);
  };
  await using server = await rawServer(() => {}, { key, cert, SNICallback });
  await using provider = startProvider({ resolve: async () => ["127.0.0.1"] });
  const { id } = await provider.register({ url: `https://hook.example.:${server.port}/` });
  await provider.ask("POST", `/endpoints/${id}/test`);
  // RFC 6066, section 3: a host name without a trailing dot.
  expect(names).toEqual(["hook.example"]);
});
