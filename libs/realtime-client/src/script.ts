/** The one file for a script tag: everything at once, as the global `Realtime`. */
import { type Connect, connectWith } from './connect.js';
import * as requests from './requests/index.js';

export const connect: Connect = connectWith(() => requests);
export { stream } from './stream.js';
export { RealtimeSocket } from './socket.js';
export { ClientError, RequestError, UnauthorizedError } from './errors.js';
