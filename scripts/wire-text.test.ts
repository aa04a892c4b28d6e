import { describe, expect, test } from "bun:test";
import { reader } from "./wire-text.ts";

/** The text of these bytes, given in pieces of so many. */
const readIn = (size: number, bytes: Uint8Array) => {
  const read = reader();
  let text = "";
  for (let at = 0; at < bytes.length; at += size) text += read(bytes.subarray(at, at + size));
  return text;
};

const latin = (text: string) => Buffer.from(text, "latin1");

const upgrade = latin("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
const upgraded = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n";
const long = "x".repeat(300);
const longer = "x".repeat(70_000);

// Bytes that are cut anywhere say the same.
describe.each([1, 2, 7, 1_000_000])("in pieces of %d", (size) => {
  test.each<[what: string, bytes: Uint8Array, text: string]>([
    [
      "requests, one after the other, without what all of them carry",
      latin(
        "GET /a HTTP/1.1\r\nHost: x\r\nX: 1\r\n\r\nGET /b HTTP/1.1\r\nConnection: keep-alive\r\n\r\n",
      ),
      "GET /a HTTP/1.1\nX: 1\nGET /b HTTP/1.1\n",
    ],
    [
      "a body of known length, and the next answer",
      Buffer.from(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\né" + "HTTP/1.1 304 Not Modified\r\n\r\n",
      ),
      "HTTP/1.1 200 OK\n\né\nHTTP/1.1 304 Not Modified\n",
    ],
    [
      "a body in chunks",
      latin(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
          "3\r\na\r\n\r\n2\r\nb\n\r\n0\r\n\r\n",
      ),
      "HTTP/1.1 200 OK\n\na\r\nb\n",
    ],
    // [RFC 6455, section 5.7]
    [
      "a text frame",
      Buffer.concat([upgrade, Buffer.from("810548656c6c6f", "hex")]),
      `${upgraded}text Hello\n`,
    ],
    [
      "a masked text frame",
      Buffer.concat([upgrade, Buffer.from("818537fa213d7f9f4d5158", "hex")]),
      `${upgraded}text Hello\n`,
    ],
    [
      "a ping and a close with its code",
      Buffer.concat([upgrade, Buffer.from("8900880703e9", "hex"), latin("adieu")]),
      `${upgraded}ping\nclose 1001 adieu\n`,
    ],
    [
      "frames whose length takes two and eight bytes",
      Buffer.concat([
        upgrade,
        Buffer.from("817e012c", "hex"),
        latin(long),
        Buffer.from("817f0000000000011170", "hex"),
        latin(longer),
      ]),
      `${upgraded}text ${long}\ntext ${longer}\n`,
    ],
  ])("%s", (_, bytes, text) => {
    expect(readIn(size, bytes)).toBe(text);
  });
});
