import { Button } from '@carbon/react';
import { UserAvatar } from '@carbon/react/icons';
import { useId, useSyncExternalStore } from 'react';
import { currentSession, signOut, subscribe } from '../sign-in/session.ts';
import { text } from '../text/text.ts';

/** Who is signed in, as what, and the way out. */
export function UserMenu() {
  const session = useSyncExternalStore(subscribe, currentSession);
  const id = useId();
  if (session === undefined) return undefined;
  const { name, subject, roles } = session.caller;
  const granted = roles?.map(
    ({ role, vaultId }) => `${text.roles.names[role]}${vaultId === undefined ? '' : ` (${vaultId})`}`,
  );
  return (
    <>
      <button type="button" className="user-button cds--header__action" popoverTarget={id} aria-label={text.shell.user}>
        <UserAvatar size={20} />
      </button>
      <div id={id} popover="auto" className="user-menu" role="dialog" aria-label={text.shell.user}>
        <p className="user-menu__name">{name ?? subject}</p>
        {name === undefined || name === subject ? undefined : <p className="quiet">{subject}</p>}
        <h2 className="user-menu__heading">{text.shell.roles}</h2>
        <ul>
          {(granted === undefined || granted.length > 0 ? (granted ?? []) : [text.shell.noRoles]).map((role) => (
            <li key={role}>{role}</li>
          ))}
        </ul>
        <Button size="sm" kind="tertiary" onClick={signOut}>
          {text.shell.signOut}
        </Button>
      </div>
    </>
  );
}
