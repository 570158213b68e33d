import { describe, expect, test } from "vitest";
import { type Address, checkTarget, ownPorts, parseAllowedHosts, type Resolve, type TargetPolicy } from "./ssrf.js";

const strict: TargetPolicy = { allowLoopback: false, allowHosts: parseAllowedHosts([]), ownPorts: [4000, 9464] };
const embedded: TargetPolicy = { ...strict, allowLoopback: true };

const resolvesTo =
  (...addresses: string[]): Resolve =>
  async () =>
    addresses.map((address): Address => ({ address, family: address.includes(":") ? 6 : 4 }));
const noDns: Resolve = async (name) => {
  throw new Error(`getaddrinfo ENOTFOUND ${name}`);
};

const check = (url: string, policy = strict, resolve: Resolve = noDns) => checkTarget(url, policy, resolve);

describe("a special address is never called, however it is written", () => {
  test.each([
    "127.0.0.1",
    "127.255.255.254",
    "127.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "１２７.０.０.１",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "0.0.0.0",
    "0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::10.0.0.1]",
    "[2002:7f00:1::]",
    "[2001::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[5f00::1]",
    "[100::1]",
  ])("%s", async (host) => {
    expect(await check(`https://${host}/hook`)).toMatchObject({ kind: "forbidden" });
  });
});

test.each(["169.254.169.254", "10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0", "::1"])(
  "a name that resolves to %s is refused, also beside a public address",
  async (address) => {
    const resolve = resolvesTo("93.184.216.34", address);
    expect(await check("https://hooks.example.com/", strict, resolve)).toMatchObject({ kind: "forbidden" });
  },
);

test("a public name over https is allowed, with the addresses to connect to", async () => {
  const resolve = resolvesTo("93.184.216.34", "2606:4700::1111");
  expect(await check("https://hooks.example.com/x?y=1", strict, resolve)).toMatchObject({
    kind: "allowed",
    addresses: [{ address: "93.184.216.34" }, { address: "2606:4700::1111" }],
  });
});

test("a name that does not resolve now is not refused permanently", async () => {
  expect(await check("https://hooks.example.com/")).toMatchObject({ kind: "unresolved" });
});

test.each([
  ["ftp://93.184.216.34/", "only https"],
  ["file:///etc/passwd", "only https"],
  ["javascript:alert(1)", "only https"],
  ["/hook", "start it with https://"],
  ["https://user:secret@93.184.216.34/", "credentials"],
  [`https://93.184.216.34/${"x".repeat(2048)}`, "2048"],
  ["http://93.184.216.34/", "use https"],
])("%s is refused: %s", async (url, reason) => {
  expect(await check(url)).toMatchObject({ kind: "forbidden", reason: expect.stringContaining(reason) });
});

describe("embedded mode", () => {
  test.each([
    "http://127.0.0.1:8080/",
    "http://[::1]:8080/",
    "http://[::ffff:127.0.0.1]:8080/",
    "http://93.184.216.34/",
  ])("allows %s", async (url) => {
    expect(await check(url, embedded)).toMatchObject({ kind: "allowed" });
  });

  test.each([
    "http://127.0.0.1:4000/graphql",
    "http://[::1]:4000/",
    "http://[::ffff:7f00:1]:9464/metrics",
    "http://0.0.0.0:8080/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data",
  ])("refuses %s", async (url) => {
    expect(await check(url, embedded)).toMatchObject({ kind: "forbidden" });
  });

  test("localhost is checked by its addresses, Metrly's own port included", async () => {
    expect(await check("http://localhost:8080/", embedded, resolvesTo("127.0.0.1"))).toMatchObject({ kind: "allowed" });
    expect(await check("http://localhost:4000/", embedded, resolvesTo("127.0.0.1"))).toMatchObject({
      kind: "forbidden",
    });
  });
});

describe("hosts that the operator allowed", () => {
  const allowHosts = parseAllowedHosts(["hooks.internal", "10.1.0.0/16", "192.168.7.7", "fd12::/16"]);
  const policy: TargetPolicy = { ...strict, allowHosts };

  test.each([
    ["http://hooks.internal/", "172.16.0.9"],
    ["https://any.name/", "10.1.255.1"],
    ["http://10.1.2.3/", ""],
    ["http://[::ffff:10.1.2.3]/", ""],
    ["http://192.168.7.7:8080/", ""],
    ["http://[fd12::1]/", ""],
  ])("%s (%s) is reached", async (url, address) => {
    expect(await check(url, policy, resolvesTo(address))).toMatchObject({ kind: "allowed" });
  });

  test.each([
    ["http://10.2.0.1/", ""],
    ["http://192.168.7.8/", ""],
    ["http://evil.hooks.internal/", "172.16.0.9"],
    ["http://hooks.internal:4000/", "127.0.0.1"],
  ])("%s (%s) is not", async (url, address) => {
    expect(await check(url, policy, resolvesTo(address))).toMatchObject({ kind: "forbidden" });
  });
});

test("of very many addresses the first few are checked, and no others are called", async () => {
  const addresses = Array.from({ length: 4_000 }, (_, n) => `8.8.${n >> 8}.${n & 255}`);
  const target = await check("https://many.example/", strict, resolvesTo(...addresses, "10.0.0.1"));
  expect(target).toMatchObject({ kind: "allowed" });
  expect("addresses" in target && target.addresses.map(({ address }) => address)).toEqual(addresses.slice(0, 32));
});

test.each([
  ...["10.0.0.0/99", "10.0.0.0/x", "::1/200", "10.0.0.0/8/9", "10.0.0.0/"],
  ...["256.1.1.1", "http://hooks.internal/", "hooks.internal:8080", "*.internal", "a b"],
])("an allowed host that is none (%s) is a clear error", (entry) => {
  expect(() => parseAllowedHosts([entry])).toThrow(entry);
});

test("Metrly's own ports are those it and its servers listen on", () => {
  expect(ownPorts([4000, 0], ["postgres://u:p@127.0.0.1:5433/x", undefined, "redis://cache"])).toEqual([4000, 5433]);
});
