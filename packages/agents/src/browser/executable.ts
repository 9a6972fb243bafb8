import { existsSync } from 'node:fs'

/** Where Debian, its image and others put it. The program itself first: the script around it wants files of /etc. */
const places = [
  '/usr/lib/chromium/chromium',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

/** The Chromium of this machine or sandbox; undefined where there is none. */
export const browserExecutable = (): string | undefined => places.find((path) => existsSync(path))
