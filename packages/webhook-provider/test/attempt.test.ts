import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { attempt, type AttemptOptions } from "../src/attempt.ts";
import { rawServer } from "./raw.ts";
import { Receiver } from "./receiver.ts";

// Tests wait for events, not for time; a slow machine may take its own.
setDefaultTimeout(60_000);

const send = (url: string, options: AttemptOptions = {}) =>
  attempt(new URL(url), { "webhook-id": "1-1" }, '{"a":"é"}', { allowLoopback: true, ...options });

describe("an attempt", () => {
  test("sends the body's bytes, and keeps the answer", async () => {
    await using receiver = new Receiver(() => new Response("thanks", { status: 202 }));
    const result = await send(`${receiver.url}hook?a=b`);
    expect(result).toMatchObject({ status: 202, error: null, answer: "thanks", askedMs: 0 });
    const [received] = receiver.received;
    expect(received).toMatchObject({ path: "/hook", body: '{"a":"é"}', id: "1-1" });
    expect(received?.headers.get("content-length")).toBe("10");
  });

  test("a kept connection that the receiver has closed meanwhile is not counted as a failure", async () => {
    let served = 0;
    await using server = await rawServer((socket) => {
      let answered = 0;
      socket.on("data", () => {
        // The second request on a connection finds it closed, as one that was idle for too long.
        if (answered++ > 0) {
          socket.resetAndDestroy();
          return;
        }
        served++;
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    for (let i = 0; i < 4; i++) expect(await send(server.url)).toMatchObject({ status: 200 });
    expect(served).toBe(4);
  });
});

describe("PROVIDER-17: the connection goes to the address that was judged", () => {
  test("the name is resolved once, by the guard, and stays in the Host header", async () => {
    await using receiver = new Receiver();
    const { port } = new URL(receiver.url);
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return ["127.0.0.1"];
    };
    expect(await send(`http://hook.example:${port}/`, { resolve })).toMatchObject({ status: 200 });
    expect(asked).toEqual(["hook.example"]);
    expect(receiver.received[0]?.headers.get("host")).toBe(`hook.example:${port}`);
  });
});
