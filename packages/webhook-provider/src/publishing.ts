import type { TransactionSQL } from "bun";
import { Problem, type FeedEvent, type Json } from "@tidings/shared";
import type { Feed } from "@tidings/shared/server";
import type { Due } from "./queue.ts";
import type { Disabled } from "./registry.ts";
import { insertFresh } from "./rows.ts";
import { encodeBody } from "./wire.ts";

/** An event that somebody asks to publish, and whom to tell. */
export interface Publishing {
  readonly type: string;
  readonly data: Json;
  readonly idempotencyKey: string | undefined;
  /** What the server itself has to say finds room, however full it is. */
  readonly always?: boolean;
  readonly tell: (done: { event: FeedEvent; fresh: boolean }) => void;
  readonly fail: (error: unknown) => void;
}

/** Where it is published, and what bounds it. */
export interface Room {
  readonly feed: Feed;
  readonly maxWaiting: number;
  readonly maxWaitingInAll: number;
  /** The endpoints that would begin with it at once, and for how long it is leased to them. */
  readonly ready: () => Ready;
}

export interface Ready {
  readonly ids: readonly string[];
  readonly leaseMs: number;
}

const full = () =>
  new Problem(503, "outbox: too much waits to be delivered; come back after Retry-After.", {
    "retry-after": "60",
  });

/** What shares one transaction. */
export class Group {
  readonly tx: TransactionSQL;
  /** What is told to those who asked, once all is on disk. */
  readonly done: (() => void)[] = [];
  readonly fresh: { event: FeedEvent; idempotencyKey: string | undefined }[] = [];
  /** What each endpoint has been leased. With nothing, something is due for it all the same. */
  readonly due = new Map<string, Due[]>();
  readonly announced: Publishing[] = [];

  constructor(tx: TransactionSQL) {
    this.tx = tx;
  }

  /** Publishes in the same transaction why an endpoint is disabled. */
  announce(endpoint: string, reason: Disabled) {
    const data = { endpoint, reason };
    const ignore = () => {};
    this.announced.push({
      type: "endpoint.disabled",
      data,
      idempotencyKey: undefined,
      always: true,
      tell: ignore,
      fail: ignore,
    });
  }
}

/** What was published with these idempotency keys: as far as the feed reaches, and the file. */
const readPublished = async (tx: TransactionSQL, feed: Feed, publishing: readonly Publishing[]) => {
  const known = new Map<string, FeedEvent>();
  const asked: string[] = [];
  for (const { idempotencyKey: key } of publishing) {
    const event = key === undefined ? undefined : feed.published(key);
    if (key !== undefined && event) known.set(key, event);
    else if (key !== undefined) asked.push(key);
  }
  if (asked.length === 0) return known;
  const rows = await tx<{ id: string; type: string; body: string; idempotency_key: string }[]>`
    SELECT events.id, events.type, body, idempotency_key
    FROM json_each(${JSON.stringify(asked)}) AS asked JOIN events ON idempotency_key = asked.value`;
  for (const { id, type, body, idempotency_key } of rows) {
    const { timestamp: time, data } = JSON.parse(body);
    known.set(idempotency_key, { id, type, time, data });
  }
  return known;
};

// What is kept for a disabled endpoint waits for its owner: that must not stop those who publish.
const countWaiting = async (tx: TransactionSQL): Promise<number> => {
  const [sum] = await tx<{ waiting: number }[]>`
    SELECT COALESCE(SUM(waiting), 0) AS waiting FROM endpoints WHERE disabled IS NULL`;
  return Number(sum?.waiting);
};

/**
 * Publishes, together with why endpoints were disabled: the event and a delivery for each endpoint
 * that wants it. An endpoint that too much waits for is disabled by that, and it is said in turn.
 */
export const publishAll = async (
  room: Room,
  group: Group,
  publishing: readonly Publishing[],
): Promise<void> => {
  const { feed, maxWaiting, maxWaitingInAll, ready } = room;
  const { tx, fresh } = group;
  const all = [...publishing, ...group.announced.splice(0)];
  if (all.length === 0) return;
  const begun = fresh.length;
  const known = await readPublished(tx, feed, all);
  const isFull = (await countWaiting(tx)) >= maxWaitingInAll;
  for (const { type, data, idempotencyKey, always, tell, fail } of all) {
    const first = idempotencyKey === undefined ? undefined : known.get(idempotencyKey);
    if (first) group.done.push(() => tell({ event: first, fresh: false }));
    else if (isFull && !always) group.done.push(() => fail(full()));
    else {
      const event = feed.draft(type, data, fresh.length);
      fresh.push({ event, idempotencyKey });
      if (idempotencyKey !== undefined) known.set(idempotencyKey, event);
      group.done.push(() => tell({ event, fresh: true }));
    }
  }
  const now = Date.now();
  const { ids, leaseMs } = ready();
  const rows = await insertFresh(tx, fresh.slice(begun), now, { ids, until: now + leaseMs });
  const counts = new Map<string, number>();
  const bodies = new Map(fresh.map(({ event }) => [event.id, encodeBody(event)]));
  for (const { endpoint_id: id, event_key: key, leased_until } of rows) {
    counts.set(id, (counts.get(id) ?? 0) + 1);
    const due = group.due.get(id) ?? [];
    const body = bodies.get(key);
    if (Number(leased_until) > 0 && body !== undefined)
      due.push({ key, id: key, body, failed: 0, firstAt: undefined });
    group.due.set(id, due);
  }
  const added = JSON.stringify([...counts].map(([id, count]) => ({ id, count })));
  const changed = await tx<{ id: string; disabled: Disabled | null }[]>`
    UPDATE endpoints
    SET waiting = waiting + (added.value->>'count'),
      disabled = CASE WHEN waiting + (added.value->>'count') > ${maxWaiting}
        THEN 'full' END
    FROM json_each(${added}) AS added WHERE endpoints.id = added.value->>'id'
    RETURNING endpoints.id, disabled`;
  for (const { id, disabled } of changed) if (disabled) group.announce(id, disabled);
  await publishAll(room, group, []);
};
