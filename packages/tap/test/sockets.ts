import { connect, createServer, type Socket } from "node:net";

/** A condition that is asked again whenever something has happened. */
const happenings = () => {
  const waits = new Set<() => void>();
  return {
    happened: () => waits.forEach((check) => check()),
    until: (condition: () => boolean) =>
      new Promise<void>((resolve) => {
        const check = () => {
          if (!condition()) return;
          waits.delete(check);
          resolve();
        };
        waits.add(check);
        check();
      }),
  };
};

/** A TCP server on a free port that ends with the test, and notes what it hears. */
export const listen = async (onSocket: (socket: Socket) => void) => {
  const sockets = new Set<Socket>();
  const { happened, until } = happenings();
  const state = { heard: "", ends: [] as string[] };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    onSocket(socket);
    const end = (how: string) => {
      state.ends.push(how);
      happened();
    };
    socket.on("end", () => end("end"));
    socket.on("error", (error) => end("code" in error ? String(error.code) : error.message));
    socket.on("close", () => {
      sockets.delete(socket);
      happened();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("The server has no port.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    sockets,
    state,
    until,
    hear: (socket: Socket) =>
      socket.on("data", (bytes) => {
        state.heard += bytes;
        happened();
      }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};

/** Sends back what it is sent. */
export const echo = () => listen((socket) => socket.pipe(socket));

/** Greets each connection, and notes what it hears. */
export const greeter = async (greeting: string) => {
  const server = await listen((socket) => {
    socket.write(greeting);
    server.hear(socket);
  });
  return server;
};

/** A client's socket, with what happens to it as promises. */
export const dial = async (url: string) => {
  const options = { port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true };
  const socket = connect(options);
  const { happened, until } = happenings();
  const parts: Buffer[] = [];
  const bytes = () => Buffer.concat(parts);
  let how = "closed";
  socket.on("error", (error) => (how = "code" in error ? String(error.code) : error.message));
  socket.on("data", (part) => {
    parts.push(Buffer.from(part));
    happened();
  });
  const ended = new Promise<void>((resolve) => socket.once("end", resolve));
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(how)));
  await Promise.race([new Promise<void>((resolve) => socket.once("connect", resolve)), closed]);
  return {
    socket,
    bytes,
    text: () => bytes().toString(),
    received: (text: string) => until(() => bytes().toString() === text),
    ended,
    /** Resolves with the error's code, or `closed`. */
    closed,
    [Symbol.dispose]: () => void socket.destroy(),
  };
};

/** Writes as fast as the socket takes it. Tells how many bytes it was given so far. */
export const pour = (socket: Socket, total: number) => {
  const chunk = Buffer.alloc(65_536, "x");
  const progress = { written: 0 };
  const go = () => {
    while (progress.written < total) {
      progress.written += chunk.length;
      if (!socket.write(chunk)) return void socket.once("drain", go);
    }
  };
  go();
  return progress;
};

/** Resolves when a sender has made no progress over many turns of the event loop. */
export const heldBack = async (written: () => number) => {
  let last = -1;
  for (let quiet = 0; quiet < 1_000; quiet = written() === last ? quiet + 1 : 0) {
    last = written();
    await new Promise(setImmediate);
  }
};
