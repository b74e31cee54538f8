/** A guard, a pipe and a validated body, the same for every Nest server. */
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
