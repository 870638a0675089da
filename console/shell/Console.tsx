import { Loading } from '@carbon/react';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { RouterProvider } from 'react-router/dom';
import { SignIn } from '../sign-in/SignIn.tsx';
import { arrive, currentSession, subscribe } from '../sign-in/session.ts';
import { text } from '../text/text.ts';
import { router } from './routes.tsx';

type Arrival = 'underway' | 'here' | { readonly failed: unknown };

// Once for this document, however often React mounts: the code that the issuer sent is good for one use.
const arrival = arrive();

/** The console: the sign-in page until somebody is signed in. */
export function Console() {
  const session = useSyncExternalStore(subscribe, currentSession);
  const [state, setState] = useState<Arrival>('underway');
  const queries = useQueryClient();
  useEffect(() => {
    arrival.then(
      (came) => {
        if (came !== undefined && 'leaving' in came) return;
        if (came !== undefined) history.replaceState(undefined, '', came.goTo);
        setState('here');
      },
      (failed: unknown) => {
        history.replaceState(undefined, '', '/console');
        setState({ failed });
      },
    );
  }, []);
  useEffect(() => {
    // What one user has read is not for the next one.
    if (session === undefined) queries.clear();
  }, [session, queries]);
  if (state === 'underway')
    return <Loading description={text.signIn.underway} withOverlay={false} className="centered" />;
  if (session === undefined) return <SignIn failed={state === 'here' ? undefined : state} />;
  return <RouterProvider router={router()} />;
}
