// `bun run webhook endpoints`: who is called, and how the calls went.
import { failToRead, readArgs } from "../cli.ts";
import { askProvider, clock, listOf, oneLine, providerOption, shorten } from "./common.ts";

const usage = `usage: bun run webhook endpoints [ENDPOINT_ID] [--provider URL]
  lists a provider's endpoints; with an id: that endpoint's newest deliveries,
  each with its attempts`;

interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly types: readonly string[] | null;
  readonly disabled: string | null;
}

interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly dueAt?: number;
  readonly attempts: readonly {
    readonly at: number;
    readonly ms: number;
    readonly status: number | null;
    readonly error: string | null;
    readonly answer: string;
  }[];
}

const SHOWN = 60;

export const endpoints = async (args: string[]) => {
  const { values, positionals } = readArgs(usage, { provider: { type: "string" } }, args);
  const [id, ...rest] = positionals;
  if (rest.length > 0) failToRead("endpoints takes at most one endpoint's id");
  const provider = await providerOption(values.provider);
  if (id === undefined) {
    const answer = await askProvider(provider, "endpoints");
    const endpoints = listOf<Endpoint>(provider, answer, "endpoints");
    for (const endpoint of endpoints) console.log(showEndpoint(endpoint));
    if (endpoints.length === 0) console.log(`${provider} has no endpoints`);
    return;
  }
  const deliveries = await deliveriesOf(provider, id);
  for (const delivery of deliveries.toReversed()) console.log(showDelivery(delivery));
  if (deliveries.length === 0) console.log(`${id} has no deliveries`);
};

/** The newest deliveries of an endpoint. */
export const deliveriesOf = async (provider: string, id: string) => {
  const answer = await askProvider(provider, `endpoints/${encodeURIComponent(id)}/deliveries`);
  return listOf<Delivery>(provider, answer, "deliveries");
};

const showEndpoint = ({ id, url, types, disabled }: Endpoint) =>
  [
    id,
    url,
    types?.join() ?? "all types",
    disabled === null ? "enabled" : `disabled: ${disabled}`,
  ].join("  ");

const showDelivery = ({ id, type, state, dueAt, attempts }: Delivery) =>
  [
    `${id}  ${type}  ${state}${dueAt === undefined ? "" : `, due at ${clock(dueAt)}`}`,
    ...attempts.map(({ at, ms, status, error, answer }) =>
      `  ${clock(at)}  ${status ?? oneLine(error ?? "no answer")} in ${ms} ms  ${shorten(oneLine(answer), SHOWN)}`.trimEnd(),
    ),
  ].join("\n");
