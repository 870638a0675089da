import { Button, InlineLoading, InlineNotification } from '@carbon/react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { text } from '../text/text.ts';
import { ROLES } from './caller.ts';
import { signIn } from './session.ts';
import type { LocalPerson } from './session.ts';
import { settings } from './settings.ts';

const PEOPLE: readonly (LocalPerson & { readonly as: string })[] = [
  { name: text.signIn.people.all, roles: ROLES, as: text.signIn.everything },
  { name: text.signIn.people.second, roles: ROLES, as: text.signIn.secondPerson },
  ...ROLES.map((role) => ({ name: text.signIn.people[role], roles: [role], as: text.roles.names[role] })),
];

/** The page of who is not signed in. */
export function SignIn({ failed }: { readonly failed: { readonly failed: unknown } | undefined }) {
  const { data, error } = useQuery({ queryKey: ['settings'], queryFn: settings });
  const [underway, setUnderway] = useState(false);
  const [late, setLate] = useState<unknown>(failed?.failed);
  useEffect(() => {
    document.title = text.product;
  }, []);
  const go = (person?: LocalPerson) => {
    setUnderway(true);
    signIn(`${location.pathname}${location.search}`, person).catch((thrown: unknown) => {
      setUnderway(false);
      setLate(thrown);
    });
  };
  return (
    <main className="sign-in">
      <div className="sign-in__box">
        <img src="/console/icon.svg" alt="" width="48" height="48" />
        <h1>{text.signIn.heading}</h1>
        <p className="sign-in__lead">{text.signIn.lead}</p>
        {error === null ? undefined : (
          <InlineNotification
            kind="error"
            lowContrast
            hideCloseButton
            title={text.signIn.failed}
            subtitle={text.signIn.unsettled}
          />
        )}
        {late === undefined ? undefined : (
          <InlineNotification kind="error" lowContrast hideCloseButton title={text.signIn.failed}>
            {text.signIn.failedBody} {late instanceof Error ? late.message : text.signIn.unknown}
          </InlineNotification>
        )}
        {underway ? (
          <InlineLoading description={text.signIn.underway} />
        ) : data?.local === true ? (
          <>
            <p id="sign-in-as">{text.signIn.local}</p>
            <ul className="sign-in__people" aria-labelledby="sign-in-as">
              {PEOPLE.map((person, position) => (
                <li key={person.name}>
                  <Button
                    kind={position === 0 ? 'primary' : 'tertiary'}
                    size="md"
                    onClick={() => {
                      go({ name: person.name.toLowerCase(), roles: person.roles });
                    }}
                  >
                    <span>{person.name}</span>
                    <span className="sign-in__as">{person.as}</span>
                  </Button>
                </li>
              ))}
            </ul>
          </>
        ) : data === undefined ? undefined : (
          <Button
            onClick={() => {
              go();
            }}
          >
            {text.signIn.button}
          </Button>
        )}
      </div>
    </main>
  );
}
