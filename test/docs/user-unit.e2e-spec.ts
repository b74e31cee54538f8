/** The second sample of docs/testing.md: a unit test of a gateway, without an application. */
import { BadRequestException } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, Message } from 'nestjs-realtime';
import { FakeConnection, fakeHandshake, fakeMessage } from 'nestjs-realtime/testing';

interface Seat {
  table: string;
}

@WebSocketGateway({ path: '/tables' })
export class TablesGateway {
  readonly left: string[] = [];

  onHandshake(request: HandshakeRequest) {
    const table = request.query.get('table');
    if (!table) throw new BadRequestException('Choose a table');
    return { data: { table } };
  }
  async onOpen(connection: Connection<Seat>) {
    await connection.join(connection.data.table);
    connection.emit('seated', connection.data);
  }
  onMessage(connection: Connection<Seat>, message: Message) {
    if (message.text() === 'leave') connection.close(4000, 'as you wish');
    else connection.send(`${connection.data.table}: ${message.text()}`);
  }
  onClose(connection: Connection<Seat>, { code, initiator }: CloseInfo) {
    this.left.push(`${connection.data.table} ${code} by ${initiator}`);
  }
}

describe('TablesGateway', () => {
  let gateway: TablesGateway;
  let connection: FakeConnection<Seat>;

  beforeEach(() => {
    gateway = new TablesGateway();
    connection = new FakeConnection({ data: { table: 'poker' } });
  });

  it('seats a client at the table of its query', async () => {
    expect(gateway.onHandshake(fakeHandshake({ url: '/tables?table=chess' }))).toEqual({ data: { table: 'chess' } });
    expect(() => gateway.onHandshake(fakeHandshake())).toThrow('Choose a table');
    await gateway.onOpen(connection);
    expect(connection.joined).toEqual(['poker']);
    expect(connection.emitted).toEqual([{ event: 'seated', data: { table: 'poker' } }]);
  });

  it('answers, and closes a client that wants to leave', () => {
    gateway.onMessage(connection, fakeMessage('raise'));
    expect(connection.sent).toEqual(['poker: raise']);
    gateway.onMessage(connection, fakeMessage('leave'));
    expect(connection.closed).toEqual({ code: 4000, reason: 'as you wish' });
    gateway.onClose(connection, connection.end());
    expect(gateway.left).toEqual(['poker 4000 by server']);
  });

  it('notes a client that vanishes', () => {
    gateway.onClose(connection, connection.end(1006));
    expect(gateway.left).toEqual(['poker 1006 by client']);
  });
});
