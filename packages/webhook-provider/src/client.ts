import { ask, bearerHeaders, eventsUrl, type SubscribeOptions } from "@tidings/shared/client";

export interface Options extends Pick<SubscribeOptions, "after" | "types" | "token" | "signal"> {
  /** Where the provider shall send the events: a URL of yours that it can reach. */
  endpoint: string | URL;
}

/** A registered endpoint. */
export interface Subscription {
  readonly id: string;
  /** What the deliveries are signed with. The provider shows it this once. */
  readonly secret: string;
  /** Deletes the endpoint at the provider. */
  unsubscribe(): Promise<void>;
}

/**
 * Registers an endpoint of yours at a provider, until `unsubscribe()` or the signal. The events
 * arrive at the endpoint, not here: webhook-consumer is the side that receives them.
 *
 * Throws a `Refusal` when the provider refuses, such as for an endpoint in a private network.
 */
export const subscribe = async (
  url: string | URL,
  { endpoint, after, types, token, signal }: Options,
): Promise<Subscription> => {
  // 1. connect: one request, to leave our address. From then on it is the provider that connects.
  const all = new URL("endpoints", eventsUrl(url, {}));
  const response = await ask(all, {
    method: "POST",
    signal: signal ?? null,
    // 2. authorize: towards the provider, here. Towards us, it signs.
    headers: { "content-type": "application/json", ...bearerHeaders(token) },
    // 3. resume: asked for once. The provider keeps our place from then on.
    body: JSON.stringify({ url: `${endpoint}`, after, types }),
  });
  const registered: unknown = await response.json();
  if (!isRegistered(registered)) throw new Error("The provider answered without id and secret.");

  // 4. receive: not here. The provider calls the endpoint; webhook-consumer is that side.

  // 5. advance: not here. The endpoint's 2xx is the receipt, and the provider crosses it off.

  // 6. detect silence: not here. A webhook that does not come makes no sound: webhook-consumer
  // asks the provider from time to time whether it still knows the endpoint.

  // 7. reconnect: not here. It is the provider that tries again, by its schedule, for three days.

  // 8. close: deleting the endpoint, for the provider cannot tell a leaver from a failure.
  const one = new URL(`endpoints/${registered.id}`, all);
  const unsubscribe = async () => {
    signal?.removeEventListener("abort", leave);
    await ask(one, { method: "DELETE", headers: bearerHeaders(token) });
  };
  // Nobody waits for what the signal sets off, so nobody can be told that it failed.
  const leave = () => void unsubscribe().catch(() => {});
  signal?.addEventListener("abort", leave);
  return { id: registered.id, secret: registered.secret, unsubscribe };
};

const isRegistered = (value: unknown): value is { id: string; secret: string } =>
  typeof value === "object" &&
  value !== null &&
  "id" in value &&
  typeof value.id === "string" &&
  "secret" in value &&
  typeof value.secret === "string";
