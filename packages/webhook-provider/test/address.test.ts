import { Problem } from "@tidings/shared";
import { describe, expect, test } from "bun:test";
import { isPublic, judge, readUrl, type GuardOptions } from "../src/address.ts";

const CLOSED = {
  "this network": ["0.0.0.0", "0.1.2.3"],
  loopback: ["127.0.0.1", "127.255.255.254", "::1", "::"],
  private: ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"],
  "unique local": ["fc00::1", "fd12:3456:789a::1", "fd00:ec2::254"],
  "shared (CGNAT)": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
  "link-local, metadata": [
    "169.254.0.1",
    "169.254.169.254",
    "fe80::1",
    "febf::1",
    "fe80::a9fe:a9fe",
  ],
  "a cloud's own": ["168.63.129.16", "192.0.0.192"],
  multicast: ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
  reserved: ["240.0.0.1", "255.255.255.255", "192.88.99.1", "198.18.0.1", "198.19.255.255"],
  documentation: ["192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"],
  "v4-mapped": ["::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"],
  "v4-compatible": ["::10.0.0.1", "::7f00:1", "::8.8.8.8"],
  NAT64: ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"],
  "6to4": ["2002:7f00:1::", "2002:808:808::1"],
  Teredo: ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  "site-local, discard": ["fec0::1", "100::1"],
  "no address at all": ["", "localhost", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", "0x7f000001"],
};

const OPEN = [
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.1",
  "168.63.129.15",
  "169.253.255.255",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "223.255.255.255",
  "2001:4860:4860::8888",
  "2606:4700:4700::1111",
  "2a00:1450:4001:800::200e",
];

describe("PROVIDER-16: addresses", () => {
  for (const [kind, addresses] of Object.entries(CLOSED))
    test(`${kind}: closed`, () => {
      expect(addresses.filter(isPublic)).toEqual([]);
    });
  test("public ones, up to the borders of the closed: open", () => {
    expect(OPEN.filter((address) => !isPublic(address))).toEqual([]);
  });
});

// No name is looked up unless the test says what it leads to.
const judged = (url: string, options: GuardOptions = {}) =>
  judge(readUrl(url), { resolve: async () => ["8.8.8.8"], ...options });
const refusal = async (url: string, options?: GuardOptions): Promise<string> => {
  try {
    return `${url} leads to ${await judged(url, options)}`;
  } catch (error) {
    return error instanceof Problem && error.status === 422 ? error.detail : `${error}`;
  }
};

describe("PROVIDER-16: URLs", () => {
  for (const spelling of [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://１２７.０.０.１/",
    "http://%31%32%37.0.0.1/",
    "http://127。0。0。1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://0/",
    "http://0.0.0.0/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://10.1/",
    "http://3232235521/",
  ])
    test(`${spelling} is a closed address, however it is spelt`, async () => {
      expect(await refusal(spelling)).toStartWith("url: must lead to a public address");
    });

  for (const [url, detail] of [
    ["ftp://example.org/", "url: must start with https:// or http://."],
    ["file:///etc/passwd", "url: must start with https:// or http://."],
    ["data:text/plain,x", "url: must start with https:// or http://."],
    ["gopher://example.org/", "url: must start with https:// or http://."],
    ["javascript:alert(1)", "url: must start with https:// or http://."],
    ["http://user@example.org/", "url: must not carry credentials; deliveries are signed instead."],
    ["http://a:b@example.org/", "url: must not carry credentials; deliveries are signed instead."],
    [
      "http://127.0.0.1@8.8.8.8/",
      "url: must not carry credentials; deliveries are signed instead.",
    ],
    ["http://example.org:22/", "url: its port must be one of 80, 443, 8080, 8443."],
    ["https://example.org:25/", "url: its port must be one of 80, 443, 8080, 8443."],
    ["http://example.org:6379/", "url: its port must be one of 80, 443, 8080, 8443."],
    ["example.org", "url: must be a URL of at most 2048 characters."],
    ["http://", "url: must be a URL of at most 2048 characters."],
    ["http://[::1", "url: must be a URL of at most 2048 characters."],
    ["http://1.2.3.256/", "url: must be a URL of at most 2048 characters."],
    [`http://example.org/${"x".repeat(2_048)}`, "url: must be a URL of at most 2048 characters."],
  ] as const)
    test(`${url.slice(0, 40)} is refused: ${detail}`, async () => {
      expect(await refusal(url)).toBe(detail);
    });

  test("a name is what all of its addresses are", async () => {
    const resolve = (...addresses: string[]) => ({ resolve: async () => addresses });
    expect(await judged("https://good.example/", resolve("1.1.1.1", "8.8.8.8"))).toBe("1.1.1.1");
    for (const bad of ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:1.1.1.1"])
      for (const addresses of [[bad], ["1.1.1.1", bad], [bad, "1.1.1.1"]])
        expect(await refusal("https://bad.example/", resolve(...addresses))).toStartWith(
          "url: must lead to a public address",
        );
  });

  test("a name that leads nowhere is refused", async () => {
    const none = { resolve: async () => [] };
    const fails = { resolve: () => Promise.reject(new Error("ENOTFOUND")) };
    expect(await refusal("https://no.example/", none)).toBe("url: its name does not resolve.");
    expect(await refusal("https://no.example/", fails)).toBe("url: its name does not resolve.");
  });

  test("the system's resolver is asked by default: localhost is closed", async () => {
    for (const url of ["http://localhost/", "http://LOCALHOST/"])
      await expect(judge(readUrl(url))).rejects.toThrow("url: must lead to a public address");
  });
});

describe("PROVIDER-17: loopback, allowed by an option", () => {
  const options = { allowLoopback: true };
  test("it is open on any port", async () => {
    expect(await judged("http://127.0.0.1:3001/", options)).toBe("127.0.0.1");
    expect(await judged("http://[::1]:3001/", options)).toBe("::1");
    const resolve = async () => ["::1", "127.0.0.1"];
    expect(await judged("http://localhost:3001/", { ...options, resolve })).toBe("::1");
  });

  test("and nothing else is", async () => {
    for (const url of [
      "http://10.0.0.1/",
      "http://169.254.169.254/",
      "http://0.0.0.0:3001/",
      "http://[::ffff:127.0.0.1]:3001/",
      "http://[::]:3001/",
    ])
      expect(await refusal(url, options)).toStartWith("url: must lead to a public address");
    expect(await refusal("http://1.1.1.1:3001/", options)).toStartWith("url: its port");
    const mixed = { ...options, resolve: async () => ["127.0.0.1", "10.0.0.1"] };
    expect(await refusal("http://mixed.example/", mixed)).toStartWith("url: must lead to a public");
  });
});
