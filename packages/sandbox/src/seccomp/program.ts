import {
  EAFNOSUPPORT,
  ENOSYS,
  EPERM,
  NEW_NAMESPACES,
  REFUSED,
  REFUSED_EVERYWHERE,
  SOCKET_FAMILIES,
  TERMINAL_TRICKS,
} from './calls.ts'

interface Machine {
  /** AUDIT_ARCH_*. */
  audit: number
  call: Record<Call, number>
  refused: number[]
}

type Call = 'clone' | 'clone3' | 'unshare' | 'ioctl' | 'socket' | 'memfdCreate' | 'memfdSecret' | 'shmget'

const MACHINES: Record<string, Machine> = {
  x64: {
    audit: 0xc000003e,
    call: {
      clone: 56,
      clone3: 435,
      unshare: 272,
      ioctl: 16,
      socket: 41,
      memfdCreate: 319,
      memfdSecret: 447,
      shmget: 29,
    },
    refused: Object.values(REFUSED.x64),
  },
  arm64: {
    audit: 0xc00000b7,
    call: {
      clone: 220,
      clone3: 435,
      unshare: 97,
      ioctl: 29,
      socket: 198,
      memfdCreate: 279,
      memfdSecret: 447,
      shmget: 194,
    },
    refused: Object.values(REFUSED.arm64),
  },
}

const LOAD = 0x20
const JUMP_EQUAL = 0x15
const JUMP_AT_LEAST = 0x35
const JUMP_ANY_BIT = 0x45
const RETURN = 0x06
const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
const refuse = (errno: number) => 0x00050000 | errno

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number]

/**
 * The refusals of `calls.ts` as a classic BPF program for `bwrap --seccomp`, or undefined on a machine whose call numbers are not listed. `refuseHiddenMemory` also refuses memory that
 * no process shows as its own (memfd, System V segments): needed where nothing but looking at processes counts memory.
 */
export function seccompProgram(machine: string, refuseHiddenMemory: boolean): Buffer | undefined {
  const found = MACHINES[machine]
  if (found === undefined) return undefined
  const { call } = found
  const when = (nr: number, body: Instruction[]): Instruction[] => [[JUMP_EQUAL, 0, body.length, nr], ...body]
  const end = (value: number): Instruction => [RETURN, 0, 0, value]
  const argument = (index: number): Instruction => [LOAD, 0, 0, 16 + 8 * index]
  const withoutNamespaces = [
    argument(0),
    [JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES] as const,
    end(refuse(EPERM)),
    end(ALLOW),
  ] satisfies Instruction[]
  const program: Instruction[] = [
    [LOAD, 0, 0, 4],
    [JUMP_EQUAL, 1, 0, found.audit],
    end(KILL_PROCESS),
    [LOAD, 0, 0, 0],
    // Numbers past this are x86's x32 calls: the same calls again under other numbers.
    [JUMP_AT_LEAST, 0, 1, 0x40000000],
    end(refuse(ENOSYS)),
    ...[...Object.values(REFUSED_EVERYWHERE), ...found.refused].flatMap((nr) => when(nr, [end(refuse(EPERM))])),
    // Its flags are behind a pointer, out of a filter's sight; the C library falls back to clone.
    ...when(call.clone3, [end(refuse(ENOSYS))]),
    ...when(call.clone, withoutNamespaces),
    ...when(call.unshare, withoutNamespaces),
    ...when(call.socket, [
      argument(0),
      ...SOCKET_FAMILIES.flatMap((family): Instruction[] => [[JUMP_EQUAL, 0, 1, family], end(ALLOW)]),
      end(refuse(EAFNOSUPPORT)),
    ]),
    ...when(call.ioctl, [
      argument(1),
      ...TERMINAL_TRICKS.flatMap((request): Instruction[] => [[JUMP_EQUAL, 0, 1, request], end(refuse(EPERM))]),
      end(ALLOW),
    ]),
    ...(refuseHiddenMemory ? [call.memfdCreate, call.memfdSecret, call.shmget] : []).flatMap((nr) =>
      when(nr, [end(refuse(ENOSYS))]),
    ),
    end(ALLOW),
  ]
  const bytes = Buffer.alloc(program.length * 8)
  for (const [index, [code, whenTrue, whenFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(whenTrue, index * 8 + 2)
    bytes.writeUInt8(whenFalse, index * 8 + 3)
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4)
  }
  return bytes
}
