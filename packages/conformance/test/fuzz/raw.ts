// A client without manners: it writes bytes as they are, and reads what comes back.
import { connect, type Socket } from "node:net";
import type { Bad } from "./lists.ts";

export interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

const END = Buffer.from("\r\n\r\n");

/** One keep-alive connection at a time; where an answer never ends, it hangs up. */
export const createKnocker = (url: string) => {
  const { hostname, port } = new URL(url);
  let socket: Socket | undefined;

  const open = async () => {
    const opened = connect(Number(port), hostname);
    opened.on("error", () => {});
    await new Promise<void>((resolve, reject) =>
      opened.once("connect", resolve).once("error", reject),
    );
    return opened;
  };

  const hangUp = () => {
    socket?.removeAllListeners("data").removeAllListeners("close").destroy();
    socket = undefined;
  };

  return {
    /** The answer; `undefined` when the server hangs up without one. */
    async ask({ bytes, head }: Bad): Promise<Answer | undefined> {
      const line = (socket ??= await open());
      const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
      let got: Buffer = Buffer.alloc(0);
      const gone = () => {
        socket = undefined;
        resolve(undefined);
      };
      const take = (chunk: Buffer) => {
        got = got.length === 0 ? chunk : Buffer.concat([got, chunk]);
        const end = got.indexOf(END);
        if (end < 0) return;
        const headers = got.toString("latin1", 0, end);
        const status = Number(headers.slice(9, 12));
        const [, length] = /^content-length: *(\d+)/im.exec(headers) ?? [];
        const bodyless = head || status === 204 || status === 304;
        const size = bodyless ? 0 : Number(length ?? NaN);
        const whole = got.length >= end + END.length + size;
        // An event stream and a WebSocket begin here, and would not end.
        if (!whole && !Number.isNaN(size)) return;
        line.off("data", take).off("close", gone);
        if (!whole || /^connection: *close/im.test(headers)) hangUp();
        resolve({ status, headers, body: got.toString("utf8", end + END.length) });
      };
      line.on("data", take).once("close", gone);
      line.write(bytes);
      return promise;
    },
    hangUp,
  };
};
