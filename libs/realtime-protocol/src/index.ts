// Close codes
export { CLOSE_CODES, CloseCode, isSendableCloseCode, mayReconnect } from './close-codes.js';
export type { CloseCodeRow } from './close-codes.js';

// Envelope
export { asEnvelope, encodeEnvelope, EXCEPTION_EVENT } from './envelope.js';
export type { Envelope, ExceptionData } from './envelope.js';
