import { Link } from 'react-router';
import { text } from '../text/text.ts';
import { Page } from './Page.tsx';

export function NotFound() {
  return (
    <Page title={text.shell.notFound}>
      <p>{text.shell.notFoundBody}</p>
      <p>
        <Link to="/managed-keys">{text.shell.toKeys}</Link>
      </p>
    </Page>
  );
}
