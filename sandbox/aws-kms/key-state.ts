import { KmsError, invalidState } from './error.ts';
import { keyState } from './key.ts';
import type { KeyState, KmsKey } from './key.ts';
import type { Call } from './operation.ts';

type Refusal = (arn: string) => KmsError;
type Row = Partial<Record<KeyState, Refusal>>;

const disabled: Refusal = (arn) => new KmsError('DisabledException', `${arn} is disabled.`);
const pendingDeletion: Refusal = (arn) => invalidState(`${arn} is pending deletion.`);
const notPendingDeletion: Refusal = (arn) => invalidState(`${arn} is not pending deletion.`);
const pendingImport: Refusal = (arn) => invalidState(`${arn} is pending import.`);
const unavailable: Refusal = (arn) => invalidState(`${arn} is unavailable.`);
const creating: Refusal = (arn) => invalidState(`${arn} is creating.`);
const updating: Refusal = (arn) => invalidState(`${arn} is updating.`);

const cryptographic: Row = {
  Creating: creating,
  Disabled: disabled,
  PendingImport: pendingImport,
  PendingDeletion: pendingDeletion,
  Unavailable: unavailable,
};
const changing: Row = { Creating: creating, Updating: updating, PendingDeletion: pendingDeletion };
const switching: Row = { ...changing, PendingImport: pendingImport };
const rotating: Row = { ...changing, Disabled: disabled, PendingImport: pendingImport };
const importing: Row = { ...changing };

/** "Key states of AWS KMS keys": which operation a key refuses in which state. What is not here is allowed. */
const refusals: Readonly<Record<string, Row>> = {
  CancelKeyDeletion: {
    Creating: notPendingDeletion,
    Enabled: notPendingDeletion,
    Disabled: notPendingDeletion,
    PendingImport: notPendingDeletion,
    Unavailable: notPendingDeletion,
    Updating: notPendingDeletion,
  },
  CreateAlias: { PendingDeletion: pendingDeletion },
  UpdateAlias: { PendingDeletion: pendingDeletion },
  Decrypt: cryptographic,
  DisableKey: switching,
  EnableKey: switching,
  DisableKeyRotation: rotating,
  EnableKeyRotation: rotating,
  RotateKeyOnDemand: rotating,
  Encrypt: cryptographic,
  GenerateDataKey: cryptographic,
  GenerateDataKeyPair: cryptographic,
  GenerateDataKeyPairWithoutPlaintext: cryptographic,
  GenerateDataKeyWithoutPlaintext: cryptographic,
  GenerateMac: cryptographic,
  GetParametersForImport: importing,
  GetPublicKey: cryptographic,
  ImportKeyMaterial: importing,
  ReEncrypt: cryptographic,
  ScheduleKeyDeletion: changing,
  Sign: cryptographic,
  TagResource: { PendingDeletion: pendingDeletion },
  UntagResource: { PendingDeletion: pendingDeletion },
  UpdateKeyDescription: changing,
  Verify: cryptographic,
  VerifyMac: cryptographic,
};

export const stateOf = (call: Call, key: KmsKey): KeyState => keyState(key, call.now, call.world.storeOf(key));

/** Throws what AWS answers when the key's state does not allow the call's operation. */
export function checkState(call: Call, key: KmsKey): void {
  const refusal = refusals[call.operation]?.[stateOf(call, key)];
  if (refusal) throw refusal(key.arn);
}
