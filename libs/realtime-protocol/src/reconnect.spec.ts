import { mayReconnect } from './reconnect.js';

describe('mayReconnect', () => {
  it.each([1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 4000, 4001, 4002, 4499])(
    'lets a client reconnect after %d',
    (code) => {
      expect(mayReconnect(code)).toBe(true);
    },
  );

  it.each([1000, 1002, 1003, 1007, 1008, 1009, 1010, 4500, 4501, 4502, 4503, 4999])(
    'keeps a client away after %d',
    (code) => {
      expect(mayReconnect(code)).toBe(false);
    },
  );

  it.each([0, 999, 1016, 3000, 3999, 5000, NaN])('keeps a client away after %d, which nobody has defined', (code) => {
    expect(mayReconnect(code)).toBe(false);
  });
});
