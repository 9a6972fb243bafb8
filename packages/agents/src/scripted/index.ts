export { type Reply, reply } from './brain.ts'
export { type MessagesRequest, type OutputBlock, parseRequest } from './messages.ts'
export { createScriptedModel, type ScriptedModel, type ScriptedModelOptions, type ScriptedRequest } from './server.ts'
