import { Inject, Injectable, RequestMethod } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { RealtimeSettings } from '../../settings/settings.js';
import type { RealtimeGatewayOptions } from '../gateway-options.js';
import { RoutePathFactory } from '../internals/nest.js';

/** The paths of gateways with hooks: with global prefix and URI version, by Nest's own rules for controllers. */
@Injectable()
export class GatewayPaths {
  private readonly factory: RoutePathFactory;

  constructor(
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(RealtimeSettings) private readonly settings: RealtimeSettings,
  ) {
    this.factory = new RoutePathFactory(config);
  }

  /** @returns every path that clients can use */
  expand({ path = this.settings.path, version }: RealtimeGatewayOptions): string[] {
    const versioningOptions = this.config.getVersioning();
    const defaultVersion =
      versioningOptions && 'defaultVersion' in versioningOptions && versioningOptions.defaultVersion;
    return [path].flat().flatMap((one) =>
      this.factory.create(
        {
          ctrlPath: slashed(one),
          globalPrefix: slashed(this.config.getGlobalPrefix()),
          controllerVersion: (version ?? (defaultVersion || undefined)) as string | undefined,
          versioningOptions,
        },
        RequestMethod.GET,
      ),
    );
  }
}

function slashed(path: string): string {
  return path === '' || path.startsWith('/') ? path : `/${path}`;
}
