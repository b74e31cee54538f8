/** What the script tag of the demo's page brings: the client, as one file. */
interface Window {
  readonly Realtime: typeof import('nestjs-realtime-client');
}
