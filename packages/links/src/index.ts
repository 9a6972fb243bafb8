export { type DecisionPage, decisionPage, type PageQuestion, pageHeaders } from './decision-page.ts'
export { createSignedLinks, type SignedLinks } from './signed-links.ts'
