import { JwtService } from '@nestjs/jwt';
import { FakeConnection, fakeHandshake } from 'nestjs-realtime/testing';
import { type Member, NotificationsGateway } from '../src/notifications.gateway.js';
import { Tokens } from '../src/tokens.js';

const tokens = new Tokens(new JwtService({ secret: 'for tests' }));
const gateway = new NotificationsGateway(tokens);
const fakeMember = () => new FakeConnection<Member>({ userId: 'ann', data: { tenant: 'acme', read: [] } });

it('makes the user, the room and the expiry of a connection from its token', async () => {
  const token = await tokens.issue({ sub: 'ann', tenant: 'acme' }, 60);
  const { exp } = await tokens.verify(token);
  const headers = { authorization: `Bearer ${token}` };
  expect(await gateway.onHandshake(fakeHandshake({ headers }))).toEqual({
    userId: 'ann',
    rooms: ['tenant:acme'],
    data: { tenant: 'acme', read: [] },
    expiresAt: new Date(exp * 1000),
  });
});

it('refuses a handshake without a token, or with a forged one', async () => {
  const forged = await new JwtService({ secret: 'another' }).signAsync({ sub: 'ann', tenant: 'acme' });
  for (const headers of [{}, { authorization: `Bearer ${forged}` }]) {
    await expect(gateway.onHandshake(fakeHandshake({ headers }))).rejects.toMatchObject({ status: 401 });
  }
});

it('greets a connection with its user and tenant', () => {
  const connection = fakeMember();
  gateway.onOpen(connection);
  expect(connection.emitted).toEqual([{ event: 'hello', data: { user: 'ann', tenant: 'acme' } }]);
});

it('counts what was read', () => {
  const connection = fakeMember();
  expect([gateway.read(connection, 7), gateway.read(connection, 8)]).toEqual([{ count: 1 }, { count: 2 }]);
  expect(() => gateway.read(connection, 'seven')).toThrow('The id of an invoice is a whole number');
});
