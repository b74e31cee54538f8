export function nginxConf(
  folder: string,
  http: string,
  options?: { readonly connections?: number; readonly level?: 'error' | 'warn' },
): string;
export function balancer(port: number, nodes: readonly number[]): string;
