import { Button, SkeletonText } from '@carbon/react';
import { useState } from 'react';
import { Link } from 'react-router';
import type { WireAssociatedResourceList } from '../../lib/wire/keys.ts';
import type { Answer } from '../api/client.ts';
import { usePage } from '../api/queries.ts';
import { Card } from '../cards/Card.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { text } from '../text/text.ts';

const words = text.associated;

/** What a key, or the keys of a keystore, protect, as far as the keystores know it. */
export function AssociatedResources(props: {
  readonly list: readonly unknown[];
  readonly refused?: string | undefined;
  readonly read: (query: { limit: number }, signal: AbortSignal) => Promise<Answer<WireAssociatedResourceList>>;
}) {
  const [limit, setLimit] = useState(10);
  const page = usePage([...props.list, 'associated_resources', limit], (signal) => props.read({ limit }, signal), {
    enabled: props.refused === undefined,
  });
  const resources = page.data?.associated_resources ?? [];
  const total = page.data?.total_count ?? 0;
  return (
    <Card title={words.title}>
      {page.error === null ? undefined : <RefusalNotice error={page.error} retry={() => void page.refetch()} />}
      {props.refused === undefined ? undefined : <p className="quiet">{props.refused}</p>}
      {page.isPending && props.refused === undefined ? <SkeletonText /> : undefined}
      {page.data !== undefined && total === 0 ? <p className="quiet">{words.none}</p> : undefined}
      <ul className="rows">
        {resources.map((resource) => (
          <li key={resource.id}>
            <strong>{resource.name}</strong> <span className="quiet">{resource.type}</span>
            <p className="quiet">
              {resource.managed_key?.id === undefined ? undefined : (
                <Link to={`/managed-keys/${resource.managed_key.id}`}>{resource.managed_key.label}</Link>
              )}{' '}
              {resource.referenced_keystore?.name}
              {resource.com_ibm_cloud_kms_registration?.prevents_key_deletion === true ? ` · ${words.prevents}` : ''}
            </p>
          </li>
        ))}
      </ul>
      {total > resources.length ? (
        <Button kind="ghost" size="sm" onClick={() => setLimit(Math.min(1000, limit * 5))}>
          {words.more(total - resources.length)}
        </Button>
      ) : undefined}
    </Card>
  );
}
