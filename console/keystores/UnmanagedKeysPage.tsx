import {
  Button,
  Loading,
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
  TextInput,
} from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import type { WireUnmanagedKey } from '../../lib/wire/unmanaged-keys.ts';
import { messageFor, send } from '../api/client.ts';
import { useOne } from '../api/queries.ts';
import { ChangeDialog } from '../changes/ChangeDialog.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.unmanaged;

/** What is in a keystore that Shearline does not manage; it can be taken over. */
export function UnmanagedKeysPage() {
  const { id = '' } = useParams();
  const caller = useCaller();
  const navigate = useNavigate();
  const keystore = useOne(['keystores', id], (signal) => send('GET', '/keystores/{id}', { id, signal }));
  const [adopting, adopt] = useState<WireUnmanagedKey | undefined>();
  const list = useInfiniteQuery({
    queryKey: ['keystores', id, 'unmanaged_keys'],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      (await send('GET', '/keystores/{id}/unmanaged_keys', { id, query: { limit: 50, after: pageParam }, signal }))
        .body,
    getNextPageParam: ({ next }) =>
      next?.href === undefined ? undefined : (new URL(next.href).searchParams.get('after') ?? undefined),
  });
  const found = list.data?.pages.flatMap((page) => page.unmanaged_keys) ?? [];
  const name = keystore.data?.body.name ?? '';
  const refused = refusal(caller, 'create_key', keystore.data?.body.vault?.id);
  return (
    <Page
      title={text.pages.unmanaged}
      above={[
        { name: text.pages.keystores, to: '/keystores' },
        { name, to: `/keystores/${id}` },
      ]}
      lead={words.lead}
    >
      {list.error === null ? undefined : <RefusalNotice error={list.error} retry={() => void list.refetch()} />}
      {list.isPending ? <Loading description={words.looking} withOverlay={false} className="centered" /> : undefined}
      {list.data !== undefined && found.length === 0 && !list.hasNextPage ? (
        <Notice kind="success" title={words.none} />
      ) : undefined}
      {found.length === 0 ? undefined : (
        <div className="list__scroll" role="region" tabIndex={0} aria-label={text.table.scroll(text.pages.unmanaged)}>
          <Table size="lg" aria-label={text.pages.unmanaged} className="list__table">
            <TableHead>
              <TableRow>
                <TableHeader>{words.columns.names}</TableHeader>
                <TableHeader>{words.columns.state}</TableHeader>
                <TableHeader>{words.columns.sort}</TableHeader>
                <TableHeader>{words.columns.created}</TableHeader>
                <TableHeader>{words.columns.adopt}</TableHeader>
              </TableRow>
            </TableHead>
            <TableBody>
              {found.map((key) => {
                const why = key.adoptable ? refused : key.reason;
                return (
                  <TableRow key={key.key_id_in_keystore}>
                    <TableCell>
                      <strong>{key.names.join(', ')}</strong>
                      <p>
                        <code>{key.key_id_in_keystore}</code>
                      </p>
                    </TableCell>
                    <TableCell>{key.state === undefined ? text.dates.never : words.states[key.state]}</TableCell>
                    <TableCell>{key.provider_type ?? text.dates.never}</TableCell>
                    <TableCell>{momentOf(key.created_at)}</TableCell>
                    <TableCell className="wrap">
                      {why === undefined ? (
                        <Button kind="tertiary" size="sm" onClick={() => adopt(key)}>
                          {words.adopt}
                        </Button>
                      ) : (
                        <span className="quiet">{why}</span>
                      )}
                    </TableCell>
                  </TableRow>
                );
              })}
            </TableBody>
          </Table>
        </div>
      )}
      {list.hasNextPage ? (
        <Button kind="ghost" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {words.more}
        </Button>
      ) : undefined}
      {adopting === undefined ? undefined : (
        <AdoptDialog
          keystoreId={id}
          found={adopting}
          onClose={(made) => {
            adopt(undefined);
            if (made !== undefined) void navigate(`/managed-keys/${made.id ?? ''}`);
          }}
        />
      )}
    </Page>
  );
}

function AdoptDialog(props: {
  readonly keystoreId: string;
  readonly found: WireUnmanagedKey;
  readonly onClose: (made: WireManagedKey | undefined) => void;
}) {
  const { keystoreId, found } = props;
  const [label, setLabel] = useState(found.names[0] ?? '');
  const [planned, plan] = useState(label);
  const [error, setError] = useState<unknown>();
  const [made, setMade] = useState<WireManagedKey>();
  const message = messageFor(error, 'label');
  return (
    <ChangeDialog
      heading={words.adoptOf(found.names[0] ?? found.key_id_in_keystore)}
      lead={words.adoptLead}
      confirm={words.adopt}
      inputsKey={planned}
      inputs={
        <TextInput
          id="adopt-label"
          labelText={text.keys.columns.name}
          value={label}
          invalid={message !== undefined}
          invalidText={message ?? ''}
          onChange={(event) => setLabel(event.target.value)}
          onBlur={() => {
            setError(undefined);
            plan(label);
          }}
        />
      }
      run={(how) =>
        send('POST', '/keystores/{id}/unmanaged_keys/adopt', {
          id: keystoreId,
          query: { dry_run: how.dryRun || undefined },
          body: { key_id_in_keystore: found.key_id_in_keystore, ...(planned === '' ? {} : { label: planned }) },
          idempotencyKey: how.idempotencyKey,
        })
      }
      onRefused={setError}
      onDone={({ body }) => setMade(body)}
      onClose={() => props.onClose(made)}
    />
  );
}
