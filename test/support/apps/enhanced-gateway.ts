/** A gateway for WsAdapter with a guard, pipes, an interceptor and filters on its methods and on its class. */
import {
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import {
  BaseWsExceptionFilter,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
  type WsResponse,
} from '@nestjs/websockets';
import { concat, map, of, throwError } from 'rxjs';
import { type Client, Marker } from './classic-gateways.js';

@Injectable()
class Refuse implements CanActivate {
  canActivate(context: ExecutionContext) {
    const socket = context.switchToWs();
    return socket.getPattern() === 'never' || (socket.getData() as { letMeIn?: boolean } | undefined)?.letMeIn === true;
  }
}

class Doubled implements PipeTransform {
  transform(value: number, { type, metatype }: ArgumentMetadata) {
    if (type !== 'body') return value;
    if (metatype === Number && typeof value !== 'number') throw new WsException('not a number');
    return value * 2;
  }
}

class Wrapped implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    const { name } = context.getHandler();
    return next.handle().pipe(map((reply: WsResponse) => ({ ...reply, data: [context.getType(), name, reply.data] })));
  }
}

class Special extends Error {}

@Catch(Special)
class Told implements ExceptionFilter {
  catch(error: Special, host: ArgumentsHost) {
    const socket = host.switchToWs();
    socket.getClient<Client>().send(JSON.stringify({ event: 'told', data: [socket.getPattern(), error.message] }));
  }
}

@UseFilters(Told)
@WebSocketGateway({ path: 'enhanced/' })
export class Enhanced extends Marker {
  @UseGuards(Refuse)
  @SubscribeMessage('guarded')
  guarded() {
    return { event: 'guarded', data: 'let in' };
  }
  @UsePipes(Doubled)
  @SubscribeMessage('piped')
  piped(@MessageBody() data: number) {
    return { event: 'piped', data };
  }
  @SubscribeMessage('piped parameter')
  pipedParameter(@MessageBody(new Doubled()) data: number) {
    return { event: 'piped parameter', data };
  }
  @UseInterceptors(Wrapped)
  @SubscribeMessage('intercepted')
  intercepted(@MessageBody() data: unknown) {
    return { event: 'intercepted', data };
  }
  @UseInterceptors(Wrapped)
  @SubscribeMessage('intercepted observable')
  interceptedObservable() {
    return of({ event: 'item', data: 1 }, { event: 'item', data: 2 });
  }
  @SubscribeMessage('filtered')
  filtered() {
    throw new Special('oh');
  }
  @SubscribeMessage('filtered midway')
  filteredMidway() {
    return concat(
      of({ event: 'item', data: 1 }),
      throwError(() => new Special('midway')),
    );
  }
  @UseFilters(new BaseWsExceptionFilter({ includeCause: false }))
  @SubscribeMessage('base filter')
  baseFilter() {
    throw new WsException('no cause');
  }
}
