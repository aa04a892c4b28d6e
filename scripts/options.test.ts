import { expect, test } from "bun:test";
import { optionsOf, readInterfaces } from "./options.ts";

test("an option is its name, its default, its unit and its effect", () => {
  const source = `
export interface Options extends ServerOptions, Pick<Other, "a" | "b"> {
  feed: Feed;
  /** A stream that was quiet for so long gets a heartbeat, in milliseconds. Default 15,000. */
  heartbeatMs?: number | undefined;
  /**
   * How many. Default: as many as in all, because of 1.5
   * reasons. Lower it where clients connect directly.
   */
  maxSubscribers?: number | undefined;
  /** Who may. Default: everybody. */
  readonly authorize?: ((request: Request) => boolean) | undefined;
}
`;
  expect(readInterfaces(source).get("Options")).toEqual({
    parents: ["ServerOptions", 'Pick<Other, "a" | "b">'],
    options: [
      {
        name: "heartbeatMs",
        standard: "15,000",
        unit: "ms",
        effect: "A stream that was quiet for so long gets a heartbeat.",
      },
      {
        name: "maxSubscribers",
        standard: "as many as in all, because of 1.5 reasons",
        unit: "count",
        effect: "How many. Lower it where clients connect directly.",
      },
      { name: "authorize", standard: "everybody", unit: "", effect: "Who may." },
    ],
  });
});

test("a technique's own options come first, then what all have", async () => {
  const { own, common } = await optionsOf("Options", "sse/src/server.ts");
  expect(own.map(({ name }) => name)).toContain("heartbeatMs");
  expect(common.map(({ name }) => name)).toContain("maxBodyBytes");
  expect(common.map(({ name }) => name)).toContain("maxSubscribers");
});
