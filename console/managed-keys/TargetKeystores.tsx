import { Button, Checkbox, SkeletonText, Tag } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { Add } from '@carbon/react/icons';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import type { WireKeystore } from '../../lib/wire/keystores.ts';
import { useKeystores } from '../api/queries.ts';
import { Card } from '../cards/Card.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { fromNow } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { EditForm } from './EditForm.tsx';
import { FlagTag, HEALTH_TAG, reasonOf } from './flags.tsx';
import type { CardOfKey } from './KeyPage.tsx';

const words = text.keys.targets;

/** A keystore as far as a tile shows it. */
type Possible = Pick<WireKeystore, 'type'> & {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly location?: string;
  readonly status?: WireKeystore['status'];
};

/** One tile for each keystore that could hold the key: whether it does, and what it says. */
export function TargetKeystores(props: CardOfKey) {
  const { shown, editing, edit, refused } = props;
  const managed = shown.body;
  const caller = useCaller();
  const navigate = useNavigate();
  const assigned = new Set(managed.referenced_keystores.map(({ id }) => id ?? ''));
  const [chosen, choose] = useState<ReadonlySet<string>>(assigned);
  const [error, setError] = useState<unknown>();
  const type = managed.referenced_keystores[0]?.type ?? managed.status_in_keystores[0]?.keystore?.type;
  const mayList = refusal(caller, 'list', managed.vault?.id) === undefined;
  const { data: listed } = useKeystores({ 'vault.id': managed.vault?.id, type }, type !== undefined && mayList);
  // Who may not list keystores still sees those of this key.
  const keystores: readonly Possible[] | undefined = mayList
    ? listed
    : managed.status_in_keystores.flatMap(({ keystore }) => (keystore === undefined ? [] : [keystore]));
  const isEditing = editing === 'keystores';
  const marked = isEditing ? chosen : assigned;
  const changed = chosen.size !== assigned.size || [...chosen].some((id) => !assigned.has(id));
  const connectRefused = refusal(caller, 'write_keystore', managed.vault?.id);
  const tiles =
    keystores === undefined ? (
      <SkeletonText paragraph lineCount={3} />
    ) : (
      <ul className="tiles">
        {keystores.map((keystore) => (
          <Target
            key={keystore.id}
            keystore={keystore}
            status={managed.status_in_keystores.find((each) => each.keystore?.id === keystore.id)}
            assigned={assigned.has(keystore.id ?? '')}
            marked={marked.has(keystore.id ?? '')}
            editing={isEditing}
            toggle={() => {
              const next = new Set(chosen);
              if (!next.delete(keystore.id ?? '')) next.add(keystore.id ?? '');
              choose(next);
            }}
          />
        ))}
      </ul>
    );
  const add = (
    <Button
      kind="ghost"
      size="md"
      renderIcon={Add}
      disabled={connectRefused !== undefined}
      title={connectRefused}
      onClick={() => void navigate(`/keystores/connect?vault=${managed.vault?.id ?? ''}&type=${type ?? ''}`)}
    >
      {words.add}
    </Button>
  );
  return (
    <Card
      title={words.title}
      width="wide"
      edit={{
        refused,
        editing: isEditing,
        start: () => {
          choose(assigned);
          setError(undefined);
          edit('keystores');
        },
      }}
    >
      {isEditing ? (
        <EditForm
          {...props}
          body={changed && chosen.size > 0 ? { referenced_keystores: [...chosen].map((id) => ({ id })) } : undefined}
          onRefused={setError}
          lead={words.lead}
          beside={add}
        >
          {tiles}
          {chosen.size === 0 ? <Notice kind="warning" title={words.atLeastOne} /> : undefined}
          {error === undefined ? undefined : (
            <Notice
              kind="error"

              title={error instanceof Error ? error.message : ''}
            />
          )}
        </EditForm>
      ) : (
        <>
          {tiles}
          {connectRefused === undefined ? add : undefined}
        </>
      )}
    </Card>
  );
}

function Target(props: {
  readonly keystore: Possible;
  readonly status: CardOfKey['shown']['body']['status_in_keystores'][number] | undefined;
  readonly assigned: boolean;
  readonly marked: boolean;
  readonly editing: boolean;
  readonly toggle: () => void;
}) {
  const { keystore, status } = props;
  const health = keystore.status?.health_status ?? 'ok';
  const name = <strong>{keystore.name}</strong>;
  return (
    <li className={props.marked ? 'tile tile--marked' : 'tile'}>
      <div className="tile__head">
        {props.editing ? (
          <Checkbox
            id={`target-${keystore.id ?? ''}`}
            labelText={keystore.name ?? ''}
            checked={props.marked}
            onChange={props.toggle}
          />
        ) : (
          <Link to={`/keystores/${keystore.id ?? ''}`}>{name}</Link>
        )}
        {status === undefined ? undefined : <FlagTag flag={status.keystore_sync_flag} reason={reasonOf(status)} />}
      </div>
      <p className="quiet">
        {[text.words.keystoreTypes[keystore.type], keystore.location].filter((each) => each !== undefined).join(', ')}
      </p>
      {health === 'ok' ? undefined : (
        <Tag size="sm" type={HEALTH_TAG[health].type}>
          {text.words.health[health]}
        </Tag>
      )}
      {status === undefined ? (
        <p className="quiet">{words.notThere}</p>
      ) : (
        <>
          {props.assigned ? undefined : <p className="quiet">{words.removed}</p>}
          {status.key_id_in_keystore === undefined ? undefined : (
            <code className="tile__id">{status.key_id_in_keystore}</code>
          )}
          {status.seen_at === undefined ? undefined : <p className="quiet">{words.seen(fromNow(status.seen_at))}</p>}
        </>
      )}
    </li>
  );
}
