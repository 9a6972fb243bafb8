/** Links with which somebody answers what an agent asks, without an account. A link is good for one request, and for one answer. */
import { type RequestLink, TuttiError, type UserInputRequestView } from '@tutti/contracts'
import { createSignedLinks, type SignedLinks } from '@tutti/links'
import type { BackendSettings } from '../settings.ts'

/** Whose request it is, which, and whom the link is for. */
type Says = [userId: string, requestId: string, to: string]
export type RequestLinks = SignedLinks<Says>

export const requestLinksPath = '/_public/requests'

/** null where no public address is configured: nobody could follow them. */
export const createRequestLinks = ({ links }: Pick<BackendSettings, 'links'>): RequestLinks | null =>
  links === null ? null : createSignedLinks<Says>(links.secret, 'request links')

/** For whoever is told of the request by a webhook, as long as it waits; null where nobody waits for an answer any more. */
export const linkOrNull = (
  { links: settings }: Pick<BackendSettings, 'links'>,
  links: RequestLinks,
  userId: string,
  { id, expires_at }: UserInputRequestView,
): string | null => {
  const expiresAt = Date.parse(expires_at)
  return settings && expiresAt > Date.now() ? urlOf(settings, links.write([userId, id, 'anybody'], expiresAt)) : null
}

const urlOf = ({ publicUrl }: { publicUrl: string }, token: string): string =>
  `${publicUrl.replace(/\/+$/, '')}${requestLinksPath}/${token}`

/** @throws TuttiError LINKS_OFF, REQUEST_ANSWERED, REQUEST_EXPIRED */
export const linkFor = (
  { links: settings }: Pick<BackendSettings, 'links'>,
  links: RequestLinks | null,
  userId: string,
  request: UserInputRequestView,
  { to, expires_in_seconds }: { to: string; expires_in_seconds: number },
): RequestLink => {
  if (links === null || settings === null)
    throw new TuttiError('LINKS_OFF', 'Links are not made here: there is no public address')
  if (request.status === 'answered') throw new TuttiError('REQUEST_ANSWERED', 'Somebody has answered already')
  const expiresAt = Math.min(Date.now() + expires_in_seconds * 1000, Date.parse(request.expires_at))
  if (request.status === 'expired' || expiresAt <= Date.now())
    throw new TuttiError('REQUEST_EXPIRED', 'Nobody waits for this answer now')
  const token = links.write([userId, request.id, to], expiresAt)
  return { url: urlOf(settings, token), to, expires_at: new Date(expiresAt).toISOString() }
}
