// Close codes
export { CLOSE_CODES, CloseCode, isSendableCloseCode } from './close-codes.js';
export { mayReconnect } from './reconnect.js';
export type { CloseCodeRow } from './close-codes.js';

// Envelope
export {
  asEnvelope,
  CANCEL_EVENT,
  DONE_EVENT,
  EXPIRES_EVENT,
  encodeEnvelope,
  EXCEPTION_EVENT,
  isRequestId,
  RESERVED_PREFIX,
} from './envelope.js';
export type { DoneData, Envelope, ExceptionData } from './envelope.js';
