import { createBrowserRouter, Navigate } from 'react-router';
import type { DataRouter } from 'react-router';
import { ApprovalsPage } from '../approvals/ApprovalsPage.tsx';
import { AuditPage } from '../audit/AuditPage.tsx';
import { CreatePage } from '../managed-keys/CreatePage.tsx';
import { DriftPage } from '../drift/DriftPage.tsx';
import { KeyPage } from '../managed-keys/KeyPage.tsx';
import { KeysPage } from '../managed-keys/KeysPage.tsx';
import { NotificationsPage } from '../notifications/NotificationsPage.tsx';
import { SubscriptionForm } from '../notifications/SubscriptionForm.tsx';
import { KeystoreForm } from '../keystores/KeystoreForm.tsx';
import { KeystorePage } from '../keystores/KeystorePage.tsx';
import { KeystoresPage } from '../keystores/KeystoresPage.tsx';
import { RealignPage } from '../managed-keys/RealignPage.tsx';
import { TemplateForm } from '../key-templates/TemplateForm.tsx';
import { TemplatePage } from '../key-templates/TemplatePage.tsx';
import { TemplatesPage } from '../key-templates/TemplatesPage.tsx';
import { UnmanagedKeysPage } from '../keystores/UnmanagedKeysPage.tsx';
import { VaultForm } from '../vaults/VaultForm.tsx';
import { VaultPage } from '../vaults/VaultPage.tsx';
import { VaultsPage } from '../vaults/VaultsPage.tsx';
import { Broken } from './Broken.tsx';
import { Layout } from './Layout.tsx';
import { NotFound } from './NotFound.tsx';

let made: DataRouter | undefined;

/** Made when somebody is signed in: before that, the address belongs to the sign-in. */
export function router(): DataRouter {
  made ??= createBrowserRouter(
    [
      {
        element: <Layout />,
        errorElement: <Broken />,
        children: [
          { index: true, element: <Navigate to="/managed-keys" replace /> },
          { path: 'managed-keys', element: <KeysPage /> },
          { path: 'managed-keys/create', element: <CreatePage /> },
          { path: 'managed-keys/:id', element: <KeyPage /> },
          { path: 'managed-keys/:id/realign', element: <RealignPage /> },
          { path: 'key-templates', element: <TemplatesPage /> },
          { path: 'key-templates/create', element: <TemplateForm /> },
          { path: 'key-templates/:id', element: <TemplatePage /> },
          { path: 'key-templates/:id/edit', element: <TemplateForm /> },
          { path: 'keystores', element: <KeystoresPage /> },
          { path: 'keystores/connect', element: <KeystoreForm /> },
          { path: 'keystores/:id', element: <KeystorePage /> },
          { path: 'keystores/:id/edit', element: <KeystoreForm /> },
          { path: 'keystores/:id/unmanaged-keys', element: <UnmanagedKeysPage /> },
          { path: 'vaults', element: <VaultsPage /> },
          { path: 'vaults/create', element: <VaultForm /> },
          { path: 'vaults/:id', element: <VaultPage /> },
          { path: 'vaults/:id/edit', element: <VaultForm /> },
          { path: 'drift', element: <DriftPage /> },
          { path: 'notifications', element: <NotificationsPage /> },
          { path: 'notifications/create', element: <SubscriptionForm /> },
          { path: 'notifications/:id/edit', element: <SubscriptionForm /> },
          { path: 'approvals', element: <ApprovalsPage /> },
          { path: 'audit', element: <AuditPage /> },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
    { basename: '/console' },
  );
  return made;
}
