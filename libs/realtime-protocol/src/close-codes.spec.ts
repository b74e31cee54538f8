import { CLOSE_CODES, CloseCode, isSendableCloseCode } from './close-codes.js';

describe('CLOSE_CODES', () => {
  it('lists every code once, in numeric order', () => {
    const codes = CLOSE_CODES.map(({ code }) => code);
    expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
    expect(codes.toSorted()).toEqual(Object.values(CloseCode).toSorted());
  });

  it('gives every row the number of its name, and a meaning', () => {
    for (const { code, name, meaning } of CLOSE_CODES) {
      expect(CloseCode[name]).toBe(code);
      expect(meaning).toMatch(/^\S.{10,}[^.]$/);
    }
  });

  it('gives the names the numbers that are promised', () => {
    expect(CloseCode).toMatchObject({
      ...{ NORMAL: 1000, GOING_AWAY: 1001, PROTOCOL_ERROR: 1002, ABNORMAL: 1006, INVALID_PAYLOAD: 1007 },
      ...{ POLICY_VIOLATION: 1008, MESSAGE_TOO_BIG: 1009, INTERNAL_ERROR: 1011 },
      ...{ HEARTBEAT_TIMEOUT: 4000, SLOW_CONSUMER: 4001, RATE_LIMIT: 4002 },
      ...{ DISCONNECTED: 4500, UNAUTHORIZED: 4501, EXPIRED: 4502, REPLACED: 4503 },
    });
  });
});

describe('isSendableCloseCode', () => {
  it('accepts the codes that RFC 6455 §7.4.2 leaves to endpoints', () => {
    const sendable = Array.from({ length: 6000 }, (_, code) => code).filter(isSendableCloseCode);
    const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
    expect(sendable).toEqual([...range(1000, 1003), ...range(1007, 1014), ...range(3000, 4999)]);
  });

  it.each([1000.5, -1000, NaN, Infinity, '1000' as never, null as never])('does not accept %p', (code) => {
    expect(isSendableCloseCode(code)).toBe(false);
  });
});
