import type { Batch, Reader } from "./feed.ts";

const encode = ({ json, cursor }: Pick<Batch, "json" | "cursor">): string =>
  `{"events":[${json.join()}],"cursor":"${cursor}"}`;

/**
 * A poll's answer: what was read, encoded once for all who read the same, or nothing. Its cursor is
 * right even when there are no events. [POLL-1]
 */
export const encodePage = (batch: Batch | undefined, reader: Reader): string =>
  batch?.as(encode) ?? encode({ json: [], cursor: reader.cursor });
