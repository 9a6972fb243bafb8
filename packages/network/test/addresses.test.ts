import type { LookupAddress, lookup } from 'node:dns'
import { describe, expect, test } from 'vitest'
import { guardedLookup, isPublicAddress, urlFault } from '../src/index.ts'

/** Each line: a block of addresses that no webhook may reach, and addresses of its edges and inside. */
const refused: Record<string, string[]> = {
  'this host': ['0.0.0.0', '0.0.0.1', '0.255.255.255', '::', '::1'],
  'private, 10/8': [
    '10.0.0.0',
    '10.0.0.1',
    '10.1.2.3',
    '10.10.10.10',
    '10.200.0.7',
    '10.255.255.254',
    '10.255.255.255',
  ],
  'carrier, 100.64/10': ['100.64.0.0', '100.64.0.1', '100.100.100.200', '100.127.255.254', '100.127.255.255'],
  loopback: ['127.0.0.0', '127.0.0.1', '127.0.0.53', '127.0.1.1', '127.1.2.3', '127.127.127.127', '127.255.255.255'],
  'link, with the metadata services': [
    '169.254.0.0',
    '169.254.0.1',
    '169.254.169.254',
    '169.254.170.2',
    '169.254.169.253',
    '169.254.255.255',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::a9fe:a9fe',
    'fe80::ffff:ffff:ffff:ffff',
    'febf:ffff::1',
  ],
  'private, 172.16/12': ['172.16.0.0', '172.16.0.1', '172.17.0.1', '172.20.10.2', '172.31.0.1', '172.31.255.255'],
  'protocols, 192.0.0/24': ['192.0.0.0', '192.0.0.1', '192.0.0.8', '192.0.0.170', '192.0.0.192', '192.0.0.255'],
  documentation: [
    '192.0.2.0',
    '192.0.2.1',
    '192.0.2.255',
    '198.51.100.0',
    '198.51.100.77',
    '198.51.100.255',
    '203.0.113.0',
    '203.0.113.5',
    '203.0.113.255',
    '2001:db8::',
    '2001:db8::1',
    '2001:db8:ffff:ffff::',
  ],
  'private, 192.168/16': [
    '192.168.0.0',
    '192.168.0.1',
    '192.168.1.1',
    '192.168.1.254',
    '192.168.178.1',
    '192.168.255.255',
  ],
  benchmarks: ['198.18.0.0', '198.18.0.1', '198.19.0.1', '198.19.255.255', '2001:2::1'],
  multicast: [
    '224.0.0.0',
    '224.0.0.1',
    '224.0.0.251',
    '232.1.1.1',
    '239.255.255.250',
    '239.255.255.255',
    'ff00::',
    'ff02::1',
    'ff02::fb',
    'ff05::2',
    'ff0e::1',
  ],
  'reserved and broadcast': ['240.0.0.0', '240.0.0.1', '250.1.2.3', '255.255.255.254', '255.255.255.255'],
  'unique local IPv6': [
    'fc00::',
    'fc00::1',
    'fcff:ffff::1',
    'fd00::',
    'fd00::1',
    'fd12:3456:789a::1',
    'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ],
  'site local IPv6, long gone': ['fec0::1', 'feff::1'],
  discard: ['100::', '100::1', '100::ffff:ffff:ffff:ffff'],
  'IPv4 in IPv6, mapped': [
    '::ffff:0.0.0.0',
    '::ffff:10.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:169.254.169.254',
    '::ffff:172.16.0.1',
    '::ffff:192.168.0.1',
    '::ffff:7f00:1',
    '::ffff:a9fe:a9fe',
    '::ffff:c0a8:1',
    '0:0:0:0:0:ffff:7f00:0001',
  ],
  'IPv4 in IPv6, compatible': ['::127.0.0.1', '::10.0.0.1', '::169.254.169.254', '::7f00:1', '::a9fe:a9fe'],
  'IPv4 behind NAT64': [
    '64:ff9b::127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '64:ff9b:1:fffe::a00:1',
  ],
  'IPv4 behind 6to4': [
    '2002::',
    '2002:7f00:1::',
    '2002:a00:1::1',
    '2002:a9fe:a9fe::1',
    '2002:c0a8:101::1',
    '2002:808:808::1',
  ],
  Teredo: ['2001::', '2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:0:7f00:1::1'],
  'never given out': [
    '1::1',
    '200::1',
    '400::1',
    '800::1',
    '1000::1',
    '4000::1',
    '5f00::1',
    '6000::1',
    '8000::1',
    'a000::1',
    'c000::1',
    'e000::1',
    'f000::1',
  ],
  'ways to write what no reader agrees on': [
    '',
    ' ',
    'localhost',
    '127.0.0.1 ',
    ' 127.0.0.1',
    '127.0.0.1.',
    '127.0.0.1:80',
    '[::1]',
    '127.0.0.1/8',
    '::1%lo',
    'fe80::1%eth0',
    '1.2.3.4.5',
    '256.1.1.1',
    '::g',
    ':::',
    'example.com',
    '0x7f000001',
    '2130706433',
    '017700000001',
    '127.1',
    '0x7f.1',
    '0177.0.0.1',
  ],
}
const accepted: string[] = [
  '1.1.1.1',
  '8.8.8.8',
  '9.9.9.9',
  '9.255.255.255',
  '11.0.0.0',
  '11.0.0.1',
  '99.255.255.255',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.1',
  '151.101.1.140',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '172.217.16.14',
  '185.199.108.153',
  '191.255.255.255',
  '192.1.0.1',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '203.0.112.255',
  '203.0.114.0',
  '223.255.255.255',
  '::ffff:8.8.8.8',
  '::ffff:1.1.1.1',
  '2001:4860:4860::8888',
  '2606:4700:4700::1111',
  '2620:fe::fe',
  '2a00:1450:4001:830::200e',
  '2a01:4f8::1',
  '2400:cb00:2048:1::c629:d7a2',
  '2c0f:fb50::1',
]

describe.each(Object.entries(refused))('no webhook reaches %s:', (_block, addresses) => {
  test.each(addresses)('%j', (address) => expect(isPublicAddress(address)).toBe(false))
})
test.each(accepted)('a webhook reaches %s', (address) => expect(isPublicAddress(address)).toBe(true))
test('the corpus holds two hundred addresses', () => {
  expect(Object.values(refused).flat().length + accepted.length).toBeGreaterThanOrEqual(200)
})

describe('an address of a webhook', () => {
  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://2130706433/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]:8080/x',
    'http://0/',
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost:8080/',
    'http://localhost./',
    'http://LOCALHOST/',
    'http://hook.localhost/',
    'http://127。0。0。1/',
    'http://①②⑦.0.0.1/',
    'https://10.0.0.1/hook',
    'http://user:password@example.com/',
    'http://user@example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'javascript:alert(1)',
    'example.com/hook',
    '//example.com/hook',
    'http://',
    '',
  ])('%j is refused', (url) => expect(urlFault(url, false)).not.toBeNull())

  test.each([
    'https://example.com/hook',
    'http://example.com:8080/a?b=c',
    'https://8.8.8.8/',
    'https://[2606:4700::1]/',
  ])('%s is taken', (url) => expect(urlFault(url, false)).toBeNull())

  test('where private addresses are allowed, only the form counts', () => {
    expect(urlFault('http://127.0.0.1:9/', true)).toBeNull()
    expect(urlFault('ftp://127.0.0.1/', true)).not.toBeNull()
    expect(urlFault('http://a:b@127.0.0.1/', true)).not.toBeNull()
  })
})

describe('a name that is looked up', () => {
  const answering = (...addresses: string[]): typeof lookup =>
    ((_name: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )) as unknown as typeof lookup
  const look = (allowPrivate: boolean, ...addresses: string[]): Promise<string | LookupAddress[]> =>
    new Promise((resolve, reject) =>
      guardedLookup(allowPrivate, answering(...addresses))('name.example', { all: true }, (error, found) =>
        error ? reject(error) : resolve(found),
      ),
    )

  test('leads nowhere when all it answers is private', async () => {
    await expect(look(false, '127.0.0.1', '::1', '10.0.0.1')).rejects.toThrow('name.example leads to a private address')
  })
  test('leads only to what is public of what it answers', async () => {
    expect(await look(false, '10.0.0.1', '8.8.8.8')).toEqual([{ address: '8.8.8.8', family: 4 }])
  })
  test('leads anywhere where private addresses are allowed', async () => {
    expect(await look(true, '127.0.0.1')).toEqual([{ address: '127.0.0.1', family: 4 }])
  })
})
