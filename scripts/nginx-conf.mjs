/** Configurations of nginx that the demo on two nodes, the benchmarks and the tests have in common. */

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/**
 * A whole configuration: one process in the foreground that leaves no file outside of its folder.
 *
 * @param folder an absolute path, of this nginx alone
 * @param http what belongs into `http { … }`
 * @param options `connections`: of clients and nodes together, default 4096; `level` of what is logged on stderr, default
 *   `error`
 */
export function nginxConf(folder, http, { connections = 4096, level = 'error' } = {}) {
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr ${level};
events { worker_connections ${connections}; }
http {
access_log off;
${TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
${http}
}
`;
}

/**
 * What docs/nginx.md has for several nodes, for `http { … }`. A node that was away is asked again at once.
 *
 * @param port where it listens on 127.0.0.1
 * @param nodes the ports of the nodes
 */
export function balancer(port, nodes) {
  return `
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
upstream app { ${nodes.map((node) => `server 127.0.0.1:${node} max_fails=0;`).join(' ')} keepalive 64; }
server {
  listen 127.0.0.1:${port} backlog=4096;
  location / {
    proxy_pass http://app;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Host $http_host;
    proxy_buffering off;
  }
}`;
}
