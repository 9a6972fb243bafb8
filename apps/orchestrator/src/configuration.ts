/** What a command reads of an orchestrator that it does not start: with the server it would load a thousand modules. */
export { loadBlueprintFile, loadBlueprints } from './start/load-blueprints.ts'
export { readConfiguration } from './start/read-configuration.ts'
