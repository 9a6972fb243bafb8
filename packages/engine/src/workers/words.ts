/** Reading what a stranger told: anything of an unexpected shape counts as not said. */
import type { Json, JsonObject } from '@tutti/contracts'

export const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}

export const listOf = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])

export const textOf = (value: Json | undefined): string | null =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null

/** Prices and loads: finite, and never less than nothing. */
export const amountOf = (value: Json | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null

export const textsOf = (value: Json | undefined): string[] =>
  listOf(value).filter((each): each is string => typeof each === 'string' && each !== '')
