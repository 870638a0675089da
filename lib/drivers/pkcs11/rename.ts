import type { Step } from '../driver.ts';
import { giveLabel, holdersOf, labelAside, nameTaken, requireObjects } from './objects.ts';
import type { Token } from './session.ts';

/**
 * The step `rename`: gives the current version the label, after taking it from older versions of the same managed key. An older version
 * has the label aside.
 */
export function renameStep(token: Token): Step {
  return (key, { signal }) =>
    token.use(signal, (session) => {
      const { all } = requireObjects(session, key);
      if (!key.current) {
        giveLabel(session, all, labelAside(key.label, key.version));
        return undefined;
      }
      const { foreign, sameKey } = holdersOf(session, key.label, key);
      if (foreign) throw nameTaken(key.label);
      for (const { object, version } of sameKey) giveLabel(session, [object], labelAside(key.label, version));
      giveLabel(session, all, key.label);
      return undefined;
    });
}

/** The step `tag`: an HSM's objects have no description and no tags, so there is nothing to bring in line but the key must be there. */
export function tagStep(token: Token): Step {
  return (key, { signal }) =>
    token.use(signal, (session) => {
      requireObjects(session, key);
      return undefined;
    });
}
