import { Button, InlineLoading } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useEffect, useState } from 'react';
import type { ConsoleSettings } from '../../lib/wire/console-settings.ts';
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
  const [data, setData] = useState<ConsoleSettings>();
  const [unsettled, setUnsettled] = useState(false);
  const [underway, setUnderway] = useState(false);
  const [late, setLate] = useState<unknown>(failed?.failed);
  useEffect(() => {
    document.title = text.product;
    settings().then(setData, () => setUnsettled(true));
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
        {!unsettled ? undefined : (
          <Notice
            kind="error"

            title={text.signIn.failed}
          >
            {text.signIn.unsettled}
          </Notice>
        )}
        {late === undefined ? undefined : (
          <Notice kind="error" title={text.signIn.failed}>
            {text.signIn.failedBody} {late instanceof Error ? late.message : text.signIn.unknown}
          </Notice>
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
