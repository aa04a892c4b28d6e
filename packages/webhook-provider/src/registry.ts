import type { SQL, TransactionSQL } from "bun";
import { ALL } from "./rows.ts";

/** What an endpoint's owner may change about it. */
export interface Settings {
  readonly url: string;
  /** What it wants; undefined: everything. */
  readonly types: readonly string[] | undefined;
  /** Whether a failing event holds back those behind it. */
  readonly ordered: boolean;
  /** Headers of its own, for each attempt. */
  readonly headers: Readonly<Record<string, string>>;
  /** How many attempts may begin in a second; undefined: as many as the server allows. */
  readonly ratePerSecond: number | undefined;
}

/** A registered endpoint, as it lies in the outbox. */
export interface Endpoint extends Settings {
  readonly id: string;
  /** Why nothing is sent to it; undefined while it is enabled. */
  readonly disabled: Disabled | undefined;
  readonly createdAt: number;
  /** What signs for it: its secret, and after a rotation the former one for a while. */
  readonly secrets: readonly string[];
}

/**
 * `request`: by its owner. `gone`: it answered 410. `failing`: nothing but failures for days.
 * `full`: too much waits for it.
 */
export type Disabled = "request" | "gone" | "failing" | "full";

/** An endpoint's row, with its types in one text. */
export interface EndpointRow {
  id: string;
  url: string;
  types: string;
  ordered: number;
  headers: string;
  rate_per_second: number | null;
  secret: string;
  old_secret: string | null;
  old_secret_until: number | null;
  disabled: Disabled | null;
  waiting: number;
  created_at: number;
}

/** The endpoints that a condition is true for. */
export const selectEndpoints = (tx: TransactionSQL, condition: SQL.Query<unknown>) =>
  tx<EndpointRow[]>`
    SELECT *, (
      SELECT string_agg(type, ',') FROM subscriptions WHERE endpoint_id = endpoints.id
    ) AS types
    FROM endpoints WHERE ${condition} ORDER BY created_at, id`;

export const readEndpoint = (row: EndpointRow, now: number): Endpoint => {
  const overlap = row.old_secret !== null && Number(row.old_secret_until) > now;
  return {
    id: row.id,
    url: row.url,
    types: row.types === ALL ? undefined : row.types.split(",").sort(),
    ordered: Number(row.ordered) === 1,
    headers: JSON.parse(row.headers),
    ratePerSecond: row.rate_per_second ?? undefined,
    disabled: row.disabled ?? undefined,
    createdAt: Number(row.created_at),
    secrets: [row.secret, ...(overlap && row.old_secret !== null ? [row.old_secret] : [])],
  };
};

export const insertTypes = (tx: TransactionSQL, id: string, types: readonly string[] = [ALL]) =>
  tx`INSERT INTO subscriptions SELECT ${id}, value FROM json_each(${JSON.stringify(types)})`;

/** Writes an endpoint; what it missed is the queue's. */
export const insertEndpoint = async (tx: TransactionSQL, endpoint: Endpoint) => {
  const { id, url, ordered, secrets, createdAt, types, headers, ratePerSecond } = endpoint;
  await tx`
    INSERT INTO endpoints (id, url, ordered, headers, rate_per_second, secret, created_at)
    VALUES (${id}, ${url}, ${Number(ordered)}, ${JSON.stringify(headers)},
      ${ratePerSecond ?? null}, ${secrets[0]}, ${createdAt})`;
  await insertTypes(tx, id, types);
};

/** Changes what is named. `types` and `ratePerSecond` may be named as undefined. */
export const changeEndpoint = async (
  tx: TransactionSQL,
  row: EndpointRow,
  change: Partial<Settings>,
) => {
  const { id, url, types, ordered, headers, ratePerSecond } = {
    ...readEndpoint(row, 0),
    ...change,
  };
  await tx`
    UPDATE endpoints
    SET url = ${url}, ordered = ${Number(ordered)}, headers = ${JSON.stringify(headers)},
      rate_per_second = ${ratePerSecond ?? null}
    WHERE id = ${id}`;
  await tx`DELETE FROM subscriptions WHERE endpoint_id = ${id}`;
  await insertTypes(tx, id, types);
};
