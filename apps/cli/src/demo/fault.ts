/** Why the demo did not come to its end, or what it was asked that it won't do. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
}
