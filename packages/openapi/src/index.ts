export type { Endpoint } from './docs-page.ts'
export { type DocumentOptions, documentRoutes, inDocument, registeredRoutes } from './document.ts'
export { failures } from './failures.ts'
export { documentPages } from './pages.ts'
