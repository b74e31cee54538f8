import { sealOf } from './seal.js';

const TOKEN = 'YMw8vNRo20tX'.padEnd(44, 'x');

describe('The seal of a response', () => {
  const through = (salt: string, token = TOKEN) => {
    const [seal, unseal] = [sealOf(TOKEN, 'salt'), sealOf(token, salt)];
    return ['id: 1', '', '\n\ndata'].map((text) => unseal(seal(Buffer.from(text))).toString()).join('');
  };

  it('is opened in the order of its parts by who has the token and the salt', () => {
    expect(through('salt')).toBe('id: 1\n\ndata');
    expect(through('other')).not.toBe('id: 1\n\ndata');
    expect(through('salt', TOKEN.toLowerCase())).not.toBe('id: 1\n\ndata');
  });

  it('is what docs/cluster-wire.md says: AES-256 in counter mode, keyed with token and salt', () => {
    const zeros = Buffer.alloc(16);
    expect(sealOf(TOKEN, 'salt')(zeros).toString('hex')).toBe('104a2354666d6d7c3d74f7f3a0a408ed');
  });
});
