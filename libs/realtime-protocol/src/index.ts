// Close codes
export { CLOSE_CODES, CloseCode, isSendableCloseCode } from './close-codes.js';
export { mayReconnect } from './reconnect.js';
export type { CloseCodeRow } from './close-codes.js';

// Envelope
export {
  ACK_EVENT,
  asEnvelope,
  CANCEL_EVENT,
  DONE_EVENT,
  EXPIRES_EVENT,
  encodeEnvelope,
  EXCEPTION_EVENT,
  isRequestId,
  OPEN_EVENT,
  PING_EVENT,
  PONG_EVENT,
  RESERVED_PREFIX,
} from './envelope.js';
export type { DoneData, Envelope, ExceptionData, OpenData } from './envelope.js';
