/** The server of the study of transports: news are pushed on /ws, and a plain endpoint returns them as well. */
import 'reflect-metadata';
import { Controller, Get, Query } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { methods, parameters } from './decorate.mjs';
import { serve } from './realtime-app.mjs';

const news = [];
let requests = 0;

class NewsController {
  latest(after) {
    return news.slice(Number(after));
  }
}
methods(NewsController, { latest: [Get('news')] });
parameters(NewsController, { latest: [Query('after')] });
Controller()(NewsController);

class NewsGateway {
  onOpen() {}
}
WebSocketGateway({ path: '/ws' })(NewsGateway);

await serve({
  providers: [NewsGateway],
  controllers: [NewsController],
  configure: (app) =>
    app.use((_request, _response, next) => {
      requests++;
      next();
    }),
  commands: (server) => ({
    reset() {
      news.length = requests = 0;
    },
    requests: () => requests,
    async push({ text }) {
      news.push(text);
      await server.toEveryone().push(text);
    },
  }),
});
