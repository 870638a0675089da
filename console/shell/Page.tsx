import { Breadcrumb, BreadcrumbItem } from '@carbon/react';
import { useEffect } from 'react';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { text } from '../text/text.ts';

/** Heading, where one is, and what can be done here, above the content of a page. */
export function Page(props: {
  readonly title: string;
  readonly beside?: ReactNode;
  readonly lead?: ReactNode;
  readonly above?: readonly { readonly name: string; readonly to: string }[];
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  const { title } = props;
  useEffect(() => {
    document.title = `${title} – ${text.product}`;
  }, [title]);
  return (
    <div className="page">
      {props.above === undefined ? undefined : (
        <Breadcrumb aria-label={text.shell.breadcrumb} noTrailingSlash>
          {props.above.map(({ name, to }) => (
            <BreadcrumbItem key={to}>
              <Link to={to}>{name}</Link>
            </BreadcrumbItem>
          ))}
        </Breadcrumb>
      )}
      <div className="page__head">
        <div className="page__title">
          <h1 tabIndex={-1}>{title}</h1>
          {props.beside}
        </div>
        {props.actions === undefined ? undefined : <div className="page__actions">{props.actions}</div>}
      </div>
      {props.lead === undefined ? undefined : <p className="page__lead">{props.lead}</p>}
      {props.children}
    </div>
  );
}
