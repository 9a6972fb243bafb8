import { HOME, WORKSPACE } from '../spec.ts'

/** The first thing on standard error: the command runs next. What comes before it is why it does not. */
export const READY = '\u0001ready\n'

/**
 * The container's init, already unprivileged. The environment comes over standard input, so that it is in no command
 * line and in none of the engine's files. Its standard input then stays open as long as the manager lives: when it
 * closes, the watcher ends everything, and with the command's end the init ends too. What gets rid of the watcher first
 * outlives the manager until `reap`.
 */
const ENTRY = `cd ${WORKSPACE} || exit 125
mkdir -m 700 ${HOME} || exit 125
settings=$(head -c "$1") || exit 125
shift
eval "$settings" || exit 125
unset settings OLDPWD HOSTNAME
exec 3<&0 </dev/null
{ read -r _ <&3; kill -9 -1; } >/dev/null 2>&1 &
printf '\\001ready\\n' >&2
"$@" 3<&-
exit $?`

/** Program and first arguments; the command follows. Needs `sh`, `mkdir` and `head` of the image. */
export function entryCommand(environmentBytes: number): string[] {
  return ['/bin/sh', '-c', ENTRY, 'sandbox', String(environmentBytes)]
}
