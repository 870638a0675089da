import { verify } from '../lib/drift/verify.ts';
import { instanceId } from '../lib/keys/key.ts';
import { openKey } from '../lib/keys/open.ts';
import { presentStatuses } from '../lib/keys/view.ts';
import { audited, deployment } from './deployment.ts';
import { etagOf, serve } from './http.ts';

export const handler = serve(
  {
    GetKeyDistributionStatusForKeystores: async (call) => {
      const { key, partition, context } = await openKey(deployment(), call, 'read');
      const verified = await verify(deployment(), key, partition.instances, call.signal);
      const observed = new Map(verified.map((each) => [instanceId(each.instance), each.observed]));
      const body = { status_in_keystores: presentStatuses({ ...partition, observed }, key, context, call.baseUrl) };
      return { body, etag: etagOf(key.id, key.revision) };
    },
  },
  audited,
);
