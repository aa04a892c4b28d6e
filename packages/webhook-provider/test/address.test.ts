import { Problem } from "@tidings/shared";
import { describe, expect, test } from "bun:test";
import { isPublic, judge, readUrl, type GuardOptions } from "../src/address.ts";

/** Words between spaces: what a table here is made of. */
const words = ([text = ""]: TemplateStringsArray) => text.trim().split(/\s+/);

const CLOSED = {
  "this network": words`0.0.0.0 0.1.2.3 0.255.255.255`,
  loopback: words`127.0.0.1 127.0.0.53 127.255.255.254 ::1 ::`,
  private: words`10.0.0.0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255`,
  "unique local": words`fc00::1 fd12:3456:789a::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff`,
  "shared (CGNAT)": words`100.64.0.1 100.127.255.255`,
  "link-local": words`169.254.0.1 169.254.255.255 fe80::1 febf::1 fe80::a9fe:a9fe`,
  // AWS, Google, Azure, DigitalOcean and others; AWS for containers; Alibaba; Oracle's former;
  // Azure's other one; Tencent; Scaleway; and by IPv6 AWS, Google, Scaleway, Oracle.
  "metadata services": words`169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 192.0.0.192
    168.63.129.16 169.254.0.23 169.254.42.42 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42
    fd00:c1::a9fe:a9fe`,
  multicast: words`224.0.0.1 224.0.0.251 239.255.255.250 ff02::1 ff02::fb ff0e::1`,
  reserved: words`240.0.0.1 255.255.255.255 192.0.0.1 192.0.0.255 192.88.99.1 198.18.0.1
    198.19.255.255 4000::1 5f00::1 8000::1 1fff::1`,
  documentation: words`192.0.2.1 198.51.100.7 203.0.113.9 2001:db8::1 2001:db8:ffff::1 3fff::1
    3fff:fff:ffff::1`,
  "v4-mapped": words`::ffff:10.0.0.1 ::ffff:7f00:1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:808:808`,
  "v4-compatible": words`::10.0.0.1 ::7f00:1 ::8.8.8.8`,
  NAT64: words`64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1
    64:ff9b:1:ffff::808:808`,
  "6to4": words`2002:7f00:1:: 2002:a00:1::1 2002:808:808::1`,
  Teredo: words`2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2`,
  ISATAP: words`2606:4700::5efe:7f00:1 2606:4700:1:2:0:5efe:a00:1 2606:4700:1:2:200:5efe:808:808
    fe80::5efe:a00:1`,
  "for protocols": words`2001:2::1 2001:10::1 2001:20::1 2001:1ff:ffff::1`,
  "site-local, discard": words`fec0::1 100::1`,
  zoned: words`fe80::1%eth0 ::1%lo 2606:4700:4700::1111%2`,
  "no address at all": ["", ...words`localhost 1.2.3 1.2.3.4.5 0x7f000001 2130706433 1.1.1.1%1`],
};

const OPEN = words`
  1.0.0.0 1.1.1.1 8.8.8.8 9.9.9.9 9.255.255.255 11.0.0.0 93.184.215.14 100.63.255.255 100.128.0.0
  126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255
  172.32.0.0 185.199.108.153 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.88.98.255
  192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0
  203.0.112.255 203.0.114.0 223.255.255.255
  2000:: 2000::1 2001:200::1 2001:4860:4860::8888 2001:67c:2e8:22::c100:68b 2001:db7:ffff::1
  2001:db9::1 2003::1 2400:cb00:2048:1::c629:d7a2 2600:1f18::1 2606:4700:4700::1111
  2606:4700::5efe 2606:4700::5efe:1 2606:5efe::1 2606:4700:1:2:3:5efe:7f00:1 2620:fe::fe
  2620:4f:8000::1 2804:14d::1 2a00:1450:4001:800::200e 2c0f:fb50:4003::1 3ffe:ffff::1 3ffe::1`;

describe("PROVIDER-16: addresses", () => {
  for (const [kind, addresses] of Object.entries(CLOSED))
    test(`${kind}: closed`, () => {
      expect(addresses.filter(isPublic)).toEqual([]);
    });
  test("public ones, up to the borders of the closed: open", () => {
    expect(OPEN.filter((address) => !isPublic(address))).toEqual([]);
  });
});

// What names lead to; any other name is a public one's.
const NAMES: Readonly<Record<string, readonly string[]>> = {
  localhost: ["127.0.0.1", "::1"],
  "localhost.": ["127.0.0.1"],
  "app.localhost": ["127.0.0.1"],
  "a.b.localhost.": ["::1"],
  "127.0.0.1.nip.example": ["127.0.0.1"],
  "metadata.google.internal": ["169.254.169.254"],
  "metadata.google.internal.": ["169.254.169.254"],
  metadata: ["169.254.169.254"],
  "instance-data.ec2.internal": ["169.254.169.254"],
  "kubernetes.default.svc": ["10.96.0.1"],
  "router.lan": ["192.168.1.1"],
  "dns64.example": ["64:ff9b::a9fe:a9fe"],
  "first.example": ["10.0.0.1", "1.1.1.1"],
  "last.example": ["1.1.1.1", "8.8.8.8", "10.0.0.1"],
  "six.example": ["1.1.1.1", "::1"],
  "mapped.example": ["1.1.1.1", "::ffff:1.1.1.1"],
  "zone.example": ["2606:4700:4700::1111%2"],
  "word.example": ["localhost"],
  "nowhere.example": [],
};
const PUBLIC = "93.184.215.14";
const resolve = async (name: string) => NAMES[name] ?? [PUBLIC];

const judged = (url: string, options: GuardOptions = {}) =>
  judge(readUrl(url), { resolve, ...options });
const refusal = async (url: string, options?: GuardOptions): Promise<string> => {
  try {
    return `${url} leads to ${await judged(url, options)}`;
  } catch (error) {
    return error instanceof Problem && error.status === 422 ? error.detail : `${error}`;
  }
};

// By the reason that the owner of the endpoint is told.
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  "url: must lead to a public address, not into a private network.": [
    // The same address in decimal, octal, hexadecimal, mixed and short, each with its dot.
    ...words`http://127.0.0.1/ http://127.1/ http://127.0.1/ http://127.0.0.1./ http://127.1./
      http://2130706433/ http://017700000001/ http://0177.0.0.1/ http://00000177.0.0.01/
      http://0x7f000001/ http://0x7F.1/ http://0x7f.0.0.1/ http://0x7f.0x0.0x0.0x1/
      http://0177.0x0.0.1/ http://0x7f.0x000001/ http://127.0x1/ http://0x7f000001./
      http://0/ http://0x/ http://0.0.0.0/ http://0000/ http://00.00.00.00/ http://4294967295/
      http://10.1/ http://0xa.1/ http://012.1/ http://167772161/ http://3232235521/
      http://192.168.257/ http://0xc0a80001/ http://0300.0250.0.1/ http://172.16.1/
      http://169.254.43518/ http://2852039166/ http://0xa9fea9fe/ http://0251.0376.0251.0376/
      http://169.16689662/ http://1684300900/`,
    // In other digits and dots, percent-encoded, and both.
    ...words`http://１２７.０.０.１/ http://127。0。0。1/ http://127．0．0．1/ http://127｡0｡0｡1/
      http://①②⑦.⓪.⓪.①/ http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/ http://１６９。２５４。１６９。２５４/ http://２１３０７０６４３３/
      http://%31%32%37.0.0.1/ http://127%2E0%2E0%2E1/ http://%30x7f.1/ http://127.0.0.1%2e/
      http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/ http://１0．1/`,
    // Spelt as parsers of other kinds may not expect it.
    ...words`HTTP://127.0.0.1/ http:127.0.0.1/ http:/127.0.0.1/ http:///127.0.0.1/
      http:\\\\127.0.0.1\\ http://127.0.0.1\\@example.org/ http://127.0.0.1?@example.org/
      http://127.0.0.1#@example.org/ http://127.0.0.1:80 https://127.0.0.1:443/`,
    "http://\t127.0.0.1/",
    "http://12\n7.0.0.1/",
    " http://127.0.0.1/ ",
    // IPv6, short and long, and what it wraps.
    ...words`http://[::1]/ http://[0:0:0:0:0:0:0:1]/ http://[0000::0001]/ http://[::]/ http://[::]:443/
      http://[::127.0.0.1]/ http://[::ffff:127.0.0.1]/ http://[::FFFF:7F00:1]/
      http://[0:0:0:0:0:ffff:10.0.0.1]/ http://[::ffff:0:127.0.0.1]/ http://[::ffff:8.8.8.8]/
      http://[64:ff9b::127.0.0.1]/ http://[64:ff9b::8.8.8.8]/ http://[64:ff9b:1::10.0.0.1]/
      http://[2002:7f00:0001::]/ http://[2002:c0a8:101::1]/ http://[2001:0:53aa:64c:0:0:80ff:fffe]/
      http://[2606:4700::5efe:10.0.0.1]/ http://[2606:4700::200:5EFE:7f00:1]/ http://[fe80::1]/
      http://[fc00::1]/ http://[fd00:ec2::254]/latest/meta-data/ http://[ff02::1]/
      http://[2001:db8::1]/`,
    ...words`http://169.254.169.254/latest/meta-data/ http://100.100.100.200/ http://192.0.0.192/
      http://168.63.129.16/metadata http://169.254.170.2/v2/credentials`,
    ...Object.entries(NAMES).flatMap(([name, to]) => (to.length > 0 ? [`https://${name}/`] : [])),
    ...words`http://LOCALHOST/ http://ｌｏｃａｌｈｏｓｔ/ http://%6cocalhost/ http://local%68ost./
      http://METADATA.google.internal/ http://metadata。google。internal/`,
  ],
  "url: must start with https:// or http://.": words`
    ftp://example.org/ ftps://example.org/ sftp://example.org/ file:///etc/passwd
    file://localhost/etc/passwd data:text/plain,x gopher://example.org/ javascript:alert(1)
    blob:https://example.org/0 ws://example.org/ wss://example.org/ ldap://example.org/
    dict://example.org/ tftp://example.org/ jar:http://example.org!/ mailto:a@example.org
    about:blank unix:///run/a.sock httpx://example.org/ localhost:3000 view-source:http://a/`,
  "url: must not carry credentials; deliveries are signed instead.": words`
    http://user@example.org/ http://a:b@example.org/ http://:b@example.org/
    http://127.0.0.1@8.8.8.8/ http://8.8.8.8@127.0.0.1/ http://127.0.0.1:80@8.8.8.8/
    http://example.org%2f@127.0.0.1/ http://example.org&@127.0.0.1/ https://a%40b@example.org/`,
  "url: its port must be one of 80, 443, 8080, 8443.": words`
    http://example.org:0/ http://example.org:22/ https://example.org:25/ http://example.org:53/
    http://example.org:81/ http://example.org:2375/ http://example.org:3000/
    http://example.org:5432/ http://example.org:6379/ http://example.org:9200/
    http://example.org:11211/ http://example.org:65535/ http://1.1.1.1:00022/`,
  "url: must be a URL of at most 2048 characters.": [
    ...words`example.org //example.org/ /hook http:// http://? http://[::1 http://::1/ http://[]/
      http://[::1%25lo]/ http://[fe80::1%eth0]/ http://[fe80::1%25eth0]/ http://[1.1.1.1]/
      http://[::ffff:1.2.3]/ http://[1::2::3]/ http://[::g]/ http://[::1]a/ http://1.2.3.256/
      http://1.1.1.1.1/ http://4294967296/ http://0x100000000/ http://08.8.8.8/
      http://127.0.0.1%00/ http://127.0.0.1%00.example.org/ http://ex%0aample.org/
      http://example.org:65536/ http://example.org:8a/ http://a<b/ http://xn--/ http://%zz/`,
    "http://exam ple.org/",
    "",
    `http://example.org/${"x".repeat(2_048)}`,
  ],
  "url: its name does not resolve.": ["https://nowhere.example/"],
};

// And what each of these leads to.
const PASSED: Readonly<Record<string, readonly string[]>> = {
  "1.1.1.1": words`http://1.1.1.1/ https://1.1.1.1/ http://1.1.1.1:80/ http://1.1.1.1:8080/
    http://1.1.1.1./ http://16843009/ http://0x01010101/ http://01.01.01.01/ http://0x1.1.257/
    http://１.１.１.１/ http://1。1。1。1/ http://%31.1.1.1/ http://1%2e1.1.1/ http://1.1.1.1?a#b`,
  "8.8.8.8": words`http://8.8.8.8/ http://134744072/ http://010.8.8.8/ http://8.526344/
    http://8.8.8.8/@127.0.0.1/ http://8.8.8.8\\@127.0.0.1/ http://8.8.8.8#@127.0.0.1/
    http://8.8.8.8?@127.0.0.1/ http://8.8.8.8/%2e%2e/ HTTPS://8.8.8.8/`,
  "2606:4700:4700::1111": words`http://[2606:4700:4700::1111]/ https://[2606:4700:4700::1111]:8443/
    http://[2606:4700:4700:0:0:0:0:1111]/ http://[2606:4700:4700::0.0.17.17]/
    http://[2606:4700:4700:0000::1111]:8080/a`,
  "2a00:1450:4001:800::200e": words`https://[2A00:1450:4001:0800::200E]/`,
  [PUBLIC]: [
    ...words`https://example.org https://example.org/ https://example.org./ https://EXAMPLE.org/
      http://example.org:80/ http://example.org:443/ https://example.org:8080/
      https://example.org:8443/ https://example.org: https://a.b.c.d.example.org/hook
      https://example.org/hook?token=abc&to=http://127.0.0.1/ https://example.org/http://[::1]/
      https://example.org/#http://10.0.0.1/ https://example.org/user:pass@10.0.0.1
      https://example.org/%00%0d%0a https://example.org/ü?ü=ü https://example.org/a;b=c,d
      https://example.org/a%20b https://example.org/../../a https://example.org//a//b
      https://müller.example/ https://xn--mller-kva.example/ https://例え.example/
      https://ex_ample.org/ https://a-b.example/ https://1a.example/ https://127.example/
      https://0x7f.example/ https://10.0.0.1.example/ https://localhost.example/
      https://notlocalhost/ https://metadata.example/ https://example.org\\hook
      https:example.org https:/example.org https:///example.org https://ｅｘａｍｐｌｅ.org/
      https://example。org/ https://%65xample.org/ https://hooks.example/services/T0/B0/X`,
    "  https://example.org/  ",
    `https://example.org/${"x".repeat(2_028)}`,
  ],
};

const count = (table: Readonly<Record<string, readonly unknown[]>>) =>
  Object.values(table).flat().length;

describe("PROVIDER-16: URLs", () => {
  for (const [detail, urls] of Object.entries(REFUSED))
    test(`${detail} (${urls.length} of them)`, async () => {
      const told = await Promise.all(
        urls.map(async (url) => ({ url, detail: await refusal(url) })),
      );
      expect(told).toEqual(urls.map((url) => ({ url, detail })));
    });

  for (const [address, urls] of Object.entries(PASSED))
    test(`${urls.length} of them lead to ${address}`, async () => {
      const found = await Promise.all(
        urls.map(async (url) => ({ url, address: await judged(url) })),
      );
      expect(found).toEqual(urls.map((url) => ({ url, address })));
    });

  test("the tables are long enough to be worth something", () => {
    expect(count(REFUSED) + count(CLOSED)).toBeGreaterThan(200);
    expect(count(PASSED) + OPEN.length).toBeGreaterThan(100);
  });

  test("a name is what all of its addresses are", async () => {
    const to = (...addresses: string[]) => ({ resolve: async () => addresses });
    expect(await judged("https://good.example/", to("1.1.1.1", "8.8.8.8"))).toBe("1.1.1.1");
    for (const bad of Object.values(CLOSED).flat())
      for (const addresses of [[bad], ["1.1.1.1", bad], [bad, "1.1.1.1"]])
        expect(await refusal("https://bad.example/", to(...addresses))).toBe(
          "url: must lead to a public address, not into a private network.",
        );
  });

  test("a resolver that fails is one that finds nothing", async () => {
    const fails = { resolve: () => Promise.reject(new Error("ENOTFOUND")) };
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
    expect(await judged("http://localhost:3001/", options)).toBe("127.0.0.1");
  });

  test("and nothing else is", async () => {
    const mixed = { ...options, resolve: async () => ["127.0.0.1", "10.0.0.1"] };
    expect(await refusal("http://mixed.example/", mixed)).toStartWith("url: must lead to a public");
    expect(await refusal("http://1.1.1.1:3001/", options)).toStartWith("url: its port");
    for (const [kind, addresses] of Object.entries(CLOSED))
      for (const address of addresses) {
        if (kind === "loopback" && address !== "::") continue;
        const closed = { ...options, resolve: async () => [address] };
        expect(await refusal("http://closed.example:3001/", closed)).toBe(
          "url: must lead to a public address, not into a private network.",
        );
      }
  });
});
