import { useRouteError } from 'react-router';
import { Notice } from '../notices/Notice.tsx';
import { text } from '../text/text.ts';

/** In place of a page that could not be drawn. */
export function Broken() {
  const error = useRouteError();
  return (
    <main className="sign-in">
      <Notice
        kind="error"
        title={text.shell.broken}
        action={{
          name: text.shell.reload,
          run: () => {
            location.reload();
          },
        }}
      >
        {text.shell.brokenBody} <code>{error instanceof Error ? error.message : text.signIn.unknown}</code>
      </Notice>
    </main>
  );
}
