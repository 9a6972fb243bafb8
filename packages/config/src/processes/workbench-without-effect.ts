/** Variables that people bring along from other workbenches, and that mean nothing here. */
export const workbenchWithoutEffect: Readonly<Record<string, string>> = {
  CALLBACK_TOKEN: 'every sandbox is given a token of its own when it starts',
  EXECUTOR_PUBLISHED_HOST: 'executors ask the manager for their turns, so no port of a sandbox is published',
  NEXT_PUBLIC_SESSION_POLLING_INTERVAL: 'pages hear of changes over a WebSocket',
  NEXT_PUBLIC_MESSAGE_POLLING_INTERVAL: 'pages hear of changes over a WebSocket',
  S3_PUBLIC_READ: 'files are read by presigned addresses alone',
}
