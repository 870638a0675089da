/** ECDSA signatures on Azure's wire are r and s side by side, each as long as the curve's field (RFC 7518 section 3.4). */
export function pointSignature(sequence: Buffer, x: string): Buffer {
  const length = Buffer.from(x, 'base64url').length;
  const rAt = sequence[1] === 0x81 ? 5 : 4;
  const rLength = sequence[rAt - 1] ?? 0;
  const sAt = rAt + rLength + 2;
  const r = sequence.subarray(rAt, rAt + rLength);
  return Buffer.concat([padded(r, length), padded(sequence.subarray(sAt), length)]);
}

function padded(integer: Buffer, length: number): Buffer {
  const magnitude = integer.length > length ? integer.subarray(integer.length - length) : integer;
  return Buffer.concat([Buffer.alloc(length - magnitude.length), magnitude]);
}

/** The same signature as an ASN.1 SEQUENCE. */
export function sequenceSignature(point: Buffer): Buffer {
  const half = point.length / 2;
  const body = Buffer.concat([derInteger(point.subarray(0, half)), derInteger(point.subarray(half))]);
  return Buffer.concat([Buffer.from(body.length < 128 ? [0x30, body.length] : [0x30, 0x81, body.length]), body]);
}

function derInteger(magnitude: Buffer): Buffer {
  let at = 0;
  while (at < magnitude.length - 1 && magnitude[at] === 0) at += 1;
  const bytes = magnitude.subarray(at);
  const positive = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
  return Buffer.concat([Buffer.from([2, positive.length]), positive]);
}
