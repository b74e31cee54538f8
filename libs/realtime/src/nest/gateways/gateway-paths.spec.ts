import { VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { RealtimeSettings } from '../../settings/settings.js';
import type { RealtimeGatewayOptions } from '../gateway-options.js';
import { GatewayPaths } from './gateway-paths.js';

const settings = RealtimeSettings.from({ envFile: false, path: '/realtime' }, {});

/** The paths of a gateway, in an application that was configured like this. */
function pathsOf(options: RealtimeGatewayOptions, configure: (config: ApplicationConfig) => void = () => {}): string[] {
  const config = new ApplicationConfig();
  configure(config);
  return new GatewayPaths(config, settings).expand(options);
}

it('takes REALTIME_PATH for a gateway without a path', () => {
  expect(pathsOf({})).toEqual(['/realtime']);
});

it('takes a path with and without a slash, and each of several', () => {
  expect(pathsOf({ path: 'chat' })).toEqual(['/chat']);
  expect(pathsOf({ path: ['/chat', 'rooms/:id'] })).toEqual(['/chat', '/rooms/:id']);
});

it('puts the global prefix before a path', () => {
  expect(pathsOf({ path: '/chat' }, (config) => config.setGlobalPrefix('api'))).toEqual(['/api/chat']);
});

it('puts the versions of the gateway before its path where versions are in the URI', () => {
  const versioned = (config: ApplicationConfig) => config.enableVersioning({ type: VersioningType.URI });
  expect(pathsOf({ path: '/chat', version: '1' }, versioned)).toEqual(['/v1/chat']);
  expect(pathsOf({ path: '/chat', version: ['1', '2'] }, versioned)).toEqual(['/v1/chat', '/v2/chat']);
  expect(pathsOf({ path: '/chat' }, versioned)).toEqual(['/chat']);
});

it('takes the default version of the application, which a gateway can replace', () => {
  const versioned = (config: ApplicationConfig) => {
    config.enableVersioning({ type: VersioningType.URI, defaultVersion: '3' });
  };
  expect(pathsOf({ path: '/chat' }, versioned)).toEqual(['/v3/chat']);
  expect(pathsOf({ path: '/chat', version: '1' }, versioned)).toEqual(['/v1/chat']);
  expect(pathsOf({ path: '/chat', version: VERSION_NEUTRAL as never }, versioned)).toEqual(['/chat']);
});

it('puts no version before a path where versions are in a header', () => {
  const versioned = (config: ApplicationConfig) => {
    config.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version', defaultVersion: '3' });
  };
  expect(pathsOf({ path: '/chat', version: '1' }, versioned)).toEqual(['/chat']);
});
