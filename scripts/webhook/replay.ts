// `bun run webhook replay`: has a provider deliver again.
import { failToRead, readArgs } from "../cli.ts";
import { askProvider, providerOption } from "./common.ts";

const usage = `usage: bun run webhook replay ENDPOINT_ID (--id ID | --after C) [--provider URL]
  has a provider deliver to an endpoint again: the event with this id, whatever
  became of it, or all that its feed holds after a cursor (0-0: all)
  bun run webhook endpoints lists endpoints and their deliveries`;

export const replay = async (args: string[]) => {
  const { values, positionals } = readArgs(
    usage,
    { id: { type: "string" }, after: { type: "string" }, provider: { type: "string" } },
    args,
  );
  const [endpoint, ...rest] = positionals;
  if (endpoint === undefined || rest.length > 0) failToRead("replay takes one endpoint's id");
  const { id, after } = values;
  if ((id === undefined) === (after === undefined))
    failToRead("replay needs either --id or --after");
  const provider = await providerOption(values.provider);
  await askProvider(provider, `endpoints/${encodeURIComponent(endpoint)}/replay`, { id, after });
  console.log(
    `${id === undefined ? `all after ${after}` : id} will be delivered to ${endpoint} again`,
  );
};
