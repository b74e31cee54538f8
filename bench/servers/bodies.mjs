/** A guard, a pipe and a validated body, which are the same on every Nest server. */
import { IsInt, IsString, MaxLength } from 'class-validator';

export class AllowGuard {
  canActivate() {
    return true;
  }
}

export class PassPipe {
  transform(value) {
    return value;
  }
}

export class OrderBody {
  text;
  amount;
}
IsString()(OrderBody.prototype, 'text');
MaxLength(100)(OrderBody.prototype, 'text');
IsInt()(OrderBody.prototype, 'amount');
