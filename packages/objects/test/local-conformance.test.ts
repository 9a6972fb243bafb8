import { objectStoreConformance } from '../src/conformance/index.ts'
import { makeLocalStore } from './local-store.ts'

objectStoreConformance('local folder', () => makeLocalStore())
