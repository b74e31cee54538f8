/** The certificate of the servers that speak TLS: the one of the tests, which signs itself. */
import { readFileSync } from 'node:fs';

const read = (name) => readFileSync(new URL(`../../test/fixtures/tls/${name}`, import.meta.url));

export const tlsFiles = () => ({ cert: read('cert.pem'), key: read('key.pem') });
