import { Glob } from "bun";
import { resolve } from "node:path";
import type { FeedEvent, Technique } from "@tidings/shared";
import type { SubscribeOptions } from "@tidings/shared/client";

const packages = resolve(import.meta.dir, "../packages");

// The reading order: from the simplest question to two servers that call each other. A technique
// that is not named here comes after these; nothing else needs to know of it.
const readingOrder = [
  "short-poll",
  "long-poll",
  "sse",
  "ws",
  "webhook-provider",
  "webhook-consumer",
];

const place = (name: string) =>
  readingOrder.includes(name) ? readingOrder.indexOf(name) : readingOrder.length;

const names = [...new Glob("*/technique.ts").scanSync(packages)]
  .map((path) => path.slice(0, path.indexOf("/")))
  .sort((a, b) => place(a) - place(b) || a.localeCompare(b));

/** Every technique, in reading order: a folder in `packages/` with a `technique.ts` is one. */
export const techniques: readonly Technique[] = await Promise.all(
  names.map(async (name) => (await import(`${packages}/${name}/technique.ts`)).default),
);

/** The folder that a technique's files lie in. */
export const folderOf = (name: string) => `${packages}/${name}`;

export type Subscribe = (
  url: string | URL,
  options?: SubscribeOptions,
) => AsyncGenerator<FeedEvent, void>;

/** A technique's own client; for either half of the webhook pair, the consumer's. */
export const clientOf = async ({ name, pair }: Technique): Promise<Subscribe> =>
  (await import(`${folderOf(pair?.client ?? name)}/src/client.ts`)).subscribe;
