// Loaded with the first turn, not with this module: it takes a tenth of a second, and most importers never run a turn.
export const loadSdk = () => import('@anthropic-ai/claude-agent-sdk')
