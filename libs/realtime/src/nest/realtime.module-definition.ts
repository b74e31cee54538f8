import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { RealtimeOptions } from '../settings/options.js';

/** `Symbol.for`: the ESM and the CJS build may meet in one process. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<RealtimeOptions>({ optionsInjectionToken: Symbol.for('nestjs-realtime:options') })
    .setClassMethodName('forRoot')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();
