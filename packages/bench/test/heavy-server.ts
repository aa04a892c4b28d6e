// A server for the engine's tests: an event stream that takes a lot of memory for whoever comes
// first, and the same for each subscriber.
const FIRST_BYTES = 60_000_000;
const EACH_BYTES = 200_000;

// What is held must be in use, or it would not be in memory.
const held: Uint8Array[] = [];
const hold = (bytes: number) => held.push(new Uint8Array(bytes).fill(1));

const heavy = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch() {
    if (held.length === 0) hold(FIRST_BYTES);
    hold(EACH_BYTES);
    const stream = new ReadableStream({ start: (controller) => controller.enqueue(":\n\n") });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
});
console.log(`ready ${heavy.url.origin}`);
