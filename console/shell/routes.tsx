import { Loading } from '@carbon/react';
import { createBrowserRouter, Navigate } from 'react-router';
import type { DataRouter } from 'react-router';
import { text } from '../text/text.ts';
import { Layout } from './Layout.tsx';
import { NotFound } from './NotFound.tsx';

let made: DataRouter | undefined;

/** Made when somebody is signed in: before that, the address belongs to the sign-in. */
export function router(): DataRouter {
  made ??= createBrowserRouter(
    [
      {
        element: <Layout />,
        hydrateFallbackElement: <Loading description={text.shell.loading} withOverlay={false} className="centered" />,
        children: [
          { index: true, element: <Navigate to="/managed-keys" replace /> },
          {
            path: 'managed-keys',
            lazy: async () => ({ Component: (await import('../managed-keys/KeysPage.tsx')).KeysPage }),
          },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
    { basename: '/console' },
  );
  return made;
}
