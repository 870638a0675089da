import type { KeyObject } from 'node:crypto';
import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { KeystoreFault } from '../driver.ts';
import type { Attribute, Handle, Mechanism } from './cryptoki.ts';
import { CK_PARAMS_RSA_OAEP, CKA, CKG, CKK, CKM, CKO, CKZ_DATA_SPECIFIED } from './cryptoki.ts';
import type { Session } from './session.ts';

/** RFC 5649 under its names, the standard's first. Where a library means another padding by one, it refuses what we wrap. */
const KEY_WRAPS = [CKM.AES_KEY_WRAP_KWP, CKM.AES_KEY_WRAP_PAD, CKM.CLOUDHSM_AES_KEY_WRAP_ZERO_PAD] as const;

/** The initial value of RFC 5649, section 3. */
const KEY_WRAP_IV = Buffer.from('A65959A6', 'hex');

const OAEPS = [
  { oaepHash: 'sha256', hashAlg: CKM.SHA256, mgf: CKG.MGF1_SHA256 },
  // SoftHSM 2 knows no other. The collisions of SHA-1 are of no help against OAEP.
  { oaepHash: 'sha1', hashAlg: CKM.SHA_1, mgf: CKG.MGF1_SHA1 },
] as const;

interface WrappingKey {
  readonly privateKey: Handle;
  readonly publicKey: KeyObject;
}

/**
 * Brings material into the HSM without its ever being in clear outside this process and the HSM: an RSA key pair of the session's own,
 * under it a fresh AES key, under that the material. Both wrapping keys end with the session. Throws `unsupported` when the HSM cannot.
 */
export async function unwrapMaterial(
  session: Session,
  material: Uint8Array,
  template: readonly Attribute[],
): Promise<Handle> {
  const mechanism = KEY_WRAPS.find((each) => session.mechanisms.has(each));
  if (mechanism === undefined || !session.mechanisms.has(CKM.RSA_PKCS_OAEP)) {
    throw new KeystoreFault(
      'unsupported',
      'This HSM takes no imports: it lacks RSA-OAEP or AES key wrap with padding (RFC 5649). Choose native material.',
    );
  }
  const wrappingKey = await session.once('wrapping key', () => makeWrappingKey(session));
  const ephemeral = randomBytes(32);
  let under: Handle | undefined;
  try {
    const cipher = createCipheriv('id-aes256-wrap-pad', ephemeral, KEY_WRAP_IV);
    const wrapped = Buffer.concat([cipher.update(material), cipher.final()]);
    under = unwrapEphemeral(session, wrappingKey, ephemeral);
    return session.unwrap({ mechanism }, under, wrapped, template);
  } finally {
    ephemeral.fill(0);
    if (under !== undefined) session.destroy(under);
  }
}

async function makeWrappingKey(session: Session): Promise<WrappingKey> {
  const pair = await session.generatePair(
    CKM.RSA_PKCS_KEY_PAIR_GEN,
    [
      { type: CKA.TOKEN, value: false },
      { type: CKA.WRAP, value: true },
      { type: CKA.MODULUS_BITS, value: 3072 },
      { type: CKA.PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
    ],
    [
      { type: CKA.TOKEN, value: false },
      { type: CKA.PRIVATE, value: true },
      { type: CKA.SENSITIVE, value: true },
      { type: CKA.EXTRACTABLE, value: false },
      { type: CKA.UNWRAP, value: true },
      { type: CKA.DECRYPT, value: false },
    ],
  );
  const modulus = session.read(pair.publicKey, CKA.MODULUS)?.toString('base64url');
  if (modulus === undefined)
    throw new KeystoreFault('broken', 'The HSM does not show the public key of its wrapping key.');
  const publicKey = createPublicKey({ key: { kty: 'RSA', n: modulus, e: 'AQAB' }, format: 'jwk' });
  return { privateKey: pair.privateKey, publicKey };
}

/** An HSM's list of mechanisms does not tell the hashes of OAEP, so that it is asked by trying. */
function unwrapEphemeral(session: Session, { privateKey, publicKey }: WrappingKey, ephemeral: Uint8Array): Handle {
  let refused: unknown;
  for (const { oaepHash, hashAlg, mgf } of OAEPS) {
    const wrapped = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, ephemeral);
    const mechanism: Mechanism = {
      mechanism: CKM.RSA_PKCS_OAEP,
      parameter: { type: CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: CKZ_DATA_SPECIFIED },
    };
    try {
      return session.unwrap(mechanism, privateKey, wrapped, [
        { type: CKA.CLASS, value: CKO.SECRET_KEY },
        { type: CKA.KEY_TYPE, value: CKK.CKK_AES },
        { type: CKA.TOKEN, value: false },
        { type: CKA.PRIVATE, value: true },
        { type: CKA.SENSITIVE, value: true },
        { type: CKA.EXTRACTABLE, value: false },
        { type: CKA.UNWRAP, value: true },
        { type: CKA.DECRYPT, value: false },
      ]);
    } catch (error) {
      if (!(error instanceof KeystoreFault) || error.kind !== 'unsupported') throw error;
      refused = error;
    }
  }
  throw refused;
}
