import { objectStoreConformance } from '../src/conformance.ts'
import { makeLocalStore } from './local-store.ts'

objectStoreConformance('local folder', () => makeLocalStore())
