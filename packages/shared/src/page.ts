import type { Batch } from "./feed.ts";

/** A poll's answer. The cursor is right even when there are no events. [POLL-1] */
export const encodePage = ({ json, cursor }: Pick<Batch, "json" | "cursor">): string =>
  `{"events":[${json.join()}],"cursor":"${cursor}"}`;
