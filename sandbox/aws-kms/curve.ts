/** Short Weierstrass curves, just enough to verify a signature over a digest. Not constant time: a sandbox keeps no secrets. */
export interface Curve {
  /** OpenSSL's name. */
  name: string;
  prime: bigint;
  a: bigint;
  order: bigint;
  generator: Point;
}
/** An affine point; undefined is the point at infinity. */
export interface Point {
  x: bigint;
  y: bigint;
}

const curve = (name: string, prime: string, a: bigint, order: string, x: string, y: string): Curve => {
  const p = BigInt(`0x${prime}`);
  return {
    name,
    prime: p,
    a: ((a % p) + p) % p,
    order: BigInt(`0x${order}`),
    generator: { x: BigInt(`0x${x}`), y: BigInt(`0x${y}`) },
  };
};

// Parameters from SEC 2 version 2.
export const curves: Readonly<Record<string, Curve>> = {
  prime256v1: curve(
    'prime256v1',
    'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff',
    -3n,
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296',
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  ),
  secp384r1: curve(
    'secp384r1',
    'fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff',
    -3n,
    'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
    'aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7',
    '3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f',
  ),
  secp521r1: curve(
    'secp521r1',
    '1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    -3n,
    '1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
    '00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66',
    '011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650',
  ),
  secp256k1: curve(
    'secp256k1',
    'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f',
    0n,
    'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141',
    '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8',
  ),
};

export const modulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by;

/** Inverse modulo a prime, by Euclid. */
export function inverse(value: bigint, prime: bigint): bigint {
  let [a, b, x, y] = [modulo(value, prime), prime, 1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return modulo(x, prime);
}

export function addPoints({ prime, a }: Curve, one: Point | undefined, other: Point | undefined): Point | undefined {
  if (!one || !other) return one ?? other;
  const opposite = one.x === other.x && modulo(one.y + other.y, prime) === 0n;
  if (opposite) return undefined;
  const slope =
    one.x === other.x
      ? (3n * one.x * one.x + a) * inverse(2n * one.y, prime)
      : (other.y - one.y) * inverse(modulo(other.x - one.x, prime), prime);
  const x = modulo(slope * slope - one.x - other.x, prime);
  return { x, y: modulo(slope * (one.x - x) - one.y, prime) };
}

export function multiplyPoint(on: Curve, point: Point, by: bigint): Point | undefined {
  let sum: Point | undefined;
  let power: Point | undefined = point;
  for (let rest = by; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = addPoints(on, sum, power);
    power = addPoints(on, power, power);
  }
  return sum;
}
