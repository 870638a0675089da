import type { Seen } from '../drivers/driver.ts';
import type { KeyInstance } from '../keys/key.ts';

/** Whether what is there is the key that was recorded, as far as the keystore lets us see. */
export function isOurs(
  instance: Pick<KeyInstance, 'binding' | 'outgrown' | 'rotating'> & Partial<Pick<KeyInstance, 'createSentAt'>>,
  seen: Extract<Seen, { presence: 'present' }>,
): boolean {
  const { binding } = instance;
  if (binding === undefined) return true;
  // Made in place of the bound one, which is gone: found by its marks, and not recorded yet.
  if (binding.idInKeystore !== seen.idInKeystore) return instance.createSentAt !== undefined;
  // Whatever is current in it now, it is not this version yet.
  if (instance.rotating) return false;
  if (instance.outgrown) return true;
  return (
    binding.fingerprint === undefined || seen.fingerprint === undefined || binding.fingerprint === seen.fingerprint
  );
}

/**
 * Whether the keystore holds material that nobody has compared with what was kept: the key was found by its marks, after the answer to its
 * import was lost. It may be ours or anybody's; importing again proves it.
 */
export function isUnproven(
  { binding, outgrown, rotating, spec }: Pick<KeyInstance, 'binding' | 'outgrown' | 'rotating' | 'spec'>,
  seen: Extract<Seen, { presence: 'present' }>,
): boolean {
  return (
    spec.material === 'imported' &&
    !outgrown &&
    !rotating &&
    binding?.fingerprint === undefined &&
    seen.fingerprint !== undefined
  );
}
