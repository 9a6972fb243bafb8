/** Started by an agent as its MCP server: passes its standard streams to the socket at which the memory is served, and back. */
import { connect } from 'node:net'

const [, , path = ''] = process.argv
const socket = connect(path)
socket.on('error', () => process.exit(1))
process.stdin.pipe(socket)
socket.pipe(process.stdout)
socket.on('close', () => process.exit(0))
