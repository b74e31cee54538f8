import { BadRequestException, Body, Controller, HttpCode, NotFoundException, Param, Post } from '@nestjs/common';
import { RealtimeServer } from 'nestjs-realtime';

/** Pushes from outside the gateway; a job or an event listener can do the same. */
@Controller('push')
export class PushController {
  constructor(private readonly server: RealtimeServer) {}

  @Post('connection/:id')
  @HttpCode(200)
  async toConnection(@Param('id') id: string, @Body() body: unknown): Promise<{ connections: number }> {
    const arrived = await this.server.push(id, textOf(body));
    if (!arrived) throw new NotFoundException('Connection not found or already closed');
    return { connections: 1 };
  }

  /** All tabs and devices of one person; in this demo a person is a nickname. */
  @Post('user/:id')
  @HttpCode(200)
  async toUser(@Param('id') id: string, @Body() body: unknown): Promise<{ connections: number }> {
    const user = this.server.toUser(id);
    await user.push(textOf(body));
    return { connections: await user.count() };
  }

  @Post('everyone')
  @HttpCode(200)
  async toEveryone(@Body() body: unknown): Promise<{ connections: number }> {
    const everyone = this.server.toEveryone();
    await everyone.push(textOf(body));
    return { connections: await everyone.count() };
  }
}

function textOf(body: unknown): string {
  const text = (body as { text?: unknown } | null | undefined)?.text;
  if (typeof text === 'string' && text.trim() !== '') return text;
  throw new BadRequestException('Send JSON with a non-empty text: { "text": "Hello" }');
}
