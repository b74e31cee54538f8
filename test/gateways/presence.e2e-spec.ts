/** Presence in an application: where `onPresence` may stand, what members are told, and what stops the boot. */
import { Injectable, Scope, SetMetadata, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  type Connection,
  type HandshakeRequest,
  type OnOpen,
  type OnPresence,
  OptionsError,
  PresenceChange,
  type RealtimeOptions,
  RealtimeModule,
  RealtimeServer,
} from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { until } from '../support/process-guard.js';

const ROOMS = { 'doc:*': { presence: { grace: 0, events: true } } };

const wordsOf = ({ kind, userId, isLocal }: PresenceChange) => `${kind} ${userId} ${isLocal}`;

@WebSocketGateway({ path: '/ws' })
class DocsGateway implements OnOpen, OnPresence {
  readonly seen: string[] = [];

  onHandshake({ query }: HandshakeRequest) {
    return { userId: query.get('user') ?? undefined };
  }

  async onOpen(connection: Connection) {
    await connection.join('doc:1');
    connection.present('doc:1', { page: 1 });
  }

  onPresence(change: PresenceChange) {
    this.seen.push(wordsOf(change));
  }
}

@Injectable()
class Seats implements OnPresence {
  readonly seen: string[] = [];

  async onPresence(change: PresenceChange) {
    this.seen.push(wordsOf(change));
  }
}

describe('presence in an application', () => {
  let app: TestApp;
  afterEach(() => app.close());

  it('tells the gateway, another provider and the members who came and went', async () => {
    const imports = [RealtimeModule.forRoot({ envFile: false, rooms: ROOMS })];
    const module = await Test.createTestingModule({ imports, providers: [DocsGateway, Seats] }).compile();
    app = await createTestApp(module);
    const ann = await app.connect('/ws?user=ann');
    const list = await ann.next('rt:presence');
    expect(list).toEqual({
      room: 'doc:1',
      users: [{ id: 'ann', state: { page: 1 }, sinceMs: expect.any(Number), connections: 1 }],
    });
    const bob = await app.connect('/ws?user=bob');
    expect(await ann.next('rt:presence')).toMatchObject({ join: [{ id: 'bob', state: { page: 1 } }], leave: [] });
    await bob.close();
    expect(await ann.next('rt:presence')).toMatchObject({ join: [], update: [], leave: ['bob'] });
    const wanted = ['join ann true', 'join bob true', 'leave bob true'];
    for (const found of [module.get(DocsGateway), module.get(Seats)]) {
      await until(
        'the changes',
        () => found.seen,
        (seen) => seen.length === 3,
      );
      expect(found.seen).toEqual(wanted);
    }
    expect((await module.get(RealtimeServer).stats()).present).toBe(1);
  });
});

describe('the boot is stopped', () => {
  async function problemsOf(rooms: RealtimeOptions['rooms'], ...providers: Type[]): Promise<readonly string[]> {
    const imports = [RealtimeModule.forRoot({ envFile: false, rooms })];
    const module = await Test.createTestingModule({ imports, providers }).compile();
    const app = module.createNestApplication({ logger: false });
    const error: unknown = await app.init().catch((reason: unknown) => reason);
    await app.close();
    return error instanceof OptionsError ? error.problems : [];
  }

  it('by an onPresence that could never run, because no room has presence', async () => {
    expect(await problemsOf(undefined, Seats)).toEqual([
      "Seats.onPresence would never be called: give rooms presence with RealtimeModule.forRoot({ rooms: { 'chat:*': { presence: true } } })",
    ]);
    expect(await problemsOf(ROOMS, Seats)).toEqual([]);
  });

  it('by an onPresence of a request-scoped class', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Scoped extends Seats {}
    expect(await problemsOf(ROOMS, Scoped)).toEqual([
      'Scoped.onPresence would never be called, because Scoped is request-scoped: make it a singleton',
    ]);
  });

  it('by a misspelt onPresence, of a gateway and of any other provider', async () => {
    @WebSocketGateway({ path: '/misspelt' })
    class Misspelt {
      onPresense() {}
    }
    class Base {
      onPrescence() {}
    }
    @Injectable()
    class Inherited extends Base {}
    expect(await problemsOf(ROOMS, Misspelt)).toEqual([
      'Misspelt.onPresense is never called: did you mean onPresence? If not, give it another name',
    ]);
    expect(await problemsOf(ROOMS, Inherited)).toEqual([
      'Inherited.onPrescence is never called: did you mean onPresence? If not, give it another name',
    ]);
  });

  it('not by a method with another name, with a decorator of another library, or where no room has presence', async () => {
    @Injectable()
    class Others {
      @SetMetadata('another library', true)
      onPresense() {}
      onPresenceUpdate() {}
      onPressed() {}
      presence() {}
    }
    @Injectable()
    class Misspelt {
      onPresense() {}
    }
    expect(await problemsOf(ROOMS, Others)).toEqual([]);
    expect(await problemsOf(undefined, Misspelt)).toEqual([]);
  });

  it.each([
    [{ presence: { grace: -1 } }],
    [{ presence: { grace: 3601 } }],
    [{ presence: { event: true } }],
    [{ presence: 'yes' }],
  ])('by the options %j', async (options) => {
    const wrong = Test.createTestingModule({ imports: [RealtimeModule.forRoot({ rooms: { a: options as object } })] });
    await expect(wrong.compile()).rejects.toThrow(
      /rooms: \{ "a" \} \}\)\.presence: .* is not allowed; expected true, or \{ grace: 0 to 3600 seconds/,
    );
  });
});
