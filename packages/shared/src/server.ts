export { bearer, type Authorize } from "./authorize.ts";
export { readBody, readJson } from "./body.ts";
export {
  checkPublish,
  contract,
  unavailable,
  type Contract,
  type Delivered,
  type Publish,
  type ServerOptions,
} from "./contract.ts";
export { Batch, Feed, type FeedOptions, type Reader, type ReaderOptions } from "./feed.ts";
export { createHeartbeat, type Heart } from "./heartbeat.ts";
export { checkOptions, type Bounds } from "./options.ts";
export { encodePage } from "./page.ts";
export { readQuery } from "./query.ts";
