/** The link between workers: the contract of all links. */
import { linkContract, QUICK } from '../contracts/broker-link.contract.js';
import { BOUNDS, WorkersFolder } from '../support/workers.js';
import { workersLink } from '../../libs/realtime/src/brokers/workers/workers-link.js';

let folder: WorkersFolder;

linkContract({
  name: 'workers',
  start: async () => (folder = new WorkersFolder()),
  make: (_url, app, node) => workersLink({ folder: folder.folderOf(app), node, times: QUICK, ...BOUNDS }),
  away: 'The other workers are not reachable',
});
