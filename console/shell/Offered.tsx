import type { ReactNode } from 'react';
import { useId } from 'react';

/** Something to do, or why the user may not do it. */
export function Offered({
  refused,
  children,
}: {
  readonly refused: string | undefined;
  readonly children: (disabled: boolean) => ReactNode;
}) {
  const id = useId();
  if (refused === undefined) return children(false);
  return (
    <div className="offered" role="group" aria-describedby={id}>
      {children(true)}
      <p id={id} className="offered__why">
        {refused}
      </p>
    </div>
  );
}
