import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { Problem } from "@tidings/shared";

// Whoever may register a URL may make this server call it: without a guard that is a way into the
// network behind it (server-side request forgery). Names are no proof of anything, addresses are.
// [PROVIDER-16]

/** What the guard lets through. */
export interface GuardOptions {
  /** Also call this machine itself, on any port. For demos and tests. Default false. */
  allowLoopback?: boolean | undefined;
  /** Ports that may be called. Default 80, 443, 8080 and 8443. */
  allowPorts?: readonly number[] | undefined;
  /** All addresses of a name. Default: the system's resolver. */
  resolve?: ((hostname: string) => Promise<readonly string[]>) | undefined;
}

const MAX_URL_LENGTH = 2_048;

const subnets = (...list: readonly string[]): BlockList => {
  const blocks = new BlockList();
  for (const subnet of list) {
    const [address = "", bits] = subnet.split("/");
    blocks.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return blocks;
};

// IANA's special-purpose registry. IPv4 names what is closed …
const CLOSED_V4 = subnets(
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  // Link-local, and with it most clouds' metadata service.
  "169.254.0.0/16",
  // The one metadata service that hides behind a public address, Azure's.
  "168.63.129.16/32",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
);

// … and IPv6 what is open: global unicast. Outside of it lie loopback, private, link-local and
// multicast addresses, NAT64 and every prefix that wraps an IPv4 address, but for two: Teredo
// (in 2001::/23) and 6to4 (2002::/16).
const OPEN_V6 = subnets("2000::/3");
const CLOSED_V6 = subnets("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20");
// What no subnet can say: a zone is one machine's own, and ISATAP wraps an IPv4 address behind any
// prefix [RFC 5214, section 6.1].
const CLOSED_FORM = /%|(?:::|:0:|:200:)5efe:[^:]+:[^:]+$/;

/** Whether an address, in the form that a resolver answers, is everybody's to call. */
export const isPublic = (address: string): boolean => {
  const family = isIP(address);
  if (family === 4) return !CLOSED_V4.check(address, "ipv4");
  if (family !== 6 || CLOSED_FORM.test(address)) return false;
  return OPEN_V6.check(address, "ipv6") && !CLOSED_V6.check(address, "ipv6");
};

const isLoopback = (address: string): boolean =>
  address === "::1" || (isIP(address) === 4 && address.startsWith("127."));

/**
 * Reads an endpoint's URL. The URL parser brings every spelling of an address (decimal, octal,
 * hexadecimal, full-width, percent) into one form, so nothing is judged before it ran.
 *
 * Throws a 422 problem.
 */
export const readUrl = (text: string): URL => {
  if (text.length > MAX_URL_LENGTH || !URL.canParse(text))
    throw new Problem(422, `url: must be a URL of at most ${MAX_URL_LENGTH} characters.`);
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new Problem(422, "url: must start with https:// or http://.");
  if (url.username || url.password)
    throw new Problem(422, "url: must not carry credentials; deliveries are signed instead.");
  return url;
};

const systemResolver = async (hostname: string) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

export const portOf = ({ port, protocol }: URL): number =>
  Number(port || (protocol === "https:" ? 443 : 80));

/**
 * The address to connect to. All that the name resolves to must pass, because the network may
 * pick any of them; and the caller connects to exactly the returned one, because a second look-up
 * may have another answer. Judge again on each attempt. [PROVIDER-17]
 *
 * Throws a 422 problem.
 */
export const judge = async (url: URL, options: GuardOptions = {}): Promise<string> => {
  const { allowLoopback = false, allowPorts = [80, 443, 8080, 8443] } = options;
  const { resolve = systemResolver } = options;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = isIP(host) ? [host] : await resolve(host).catch(() => []);
  const [address] = addresses;
  if (address === undefined) throw new Problem(422, "url: its name does not resolve.");
  if (allowLoopback && addresses.every(isLoopback)) return address;
  if (!addresses.every(isPublic))
    throw new Problem(422, "url: must lead to a public address, not into a private network.");
  if (!allowPorts.includes(portOf(url)))
    throw new Problem(422, `url: its port must be one of ${allowPorts.join(", ")}.`);
  return address;
};
