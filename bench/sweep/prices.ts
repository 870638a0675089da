/**
 * What the providers charge, in US dollars, on demand, in us-east-1, as their price pages said in November 2026; what is free of charge
 * below some amount is charged here. Check them before you rely on them: this file is the only place that has them.
 */
export const PRICES = {
  /** AWS KMS: 10,000 requests. */
  awsKmsCalls: 0.03 / 10_000,
  /** Azure Key Vault: 10,000 operations on keys. */
  azureCalls: 0.03 / 10_000,
  /** Google Cloud KMS and IBM Key Protect charge for keys and for cryptography, not for reading what keys there are. */
  googleCalls: 0,
  ibmCalls: 0,
  /** DynamoDB on demand: a read request unit is 4 KB strongly consistent; an index is read eventually consistent, at half. */
  dynamodbReadUnit: 0.125 / 1_000_000,
  dynamodbWriteUnit: 0.625 / 1_000_000,
  /** Lambda on arm64, a second of a gigabyte. */
  lambdaGbSecond: 0.000_013_333_4,
  lambdaCall: 0.2 / 1_000_000,
  sqsFifoCall: 0.5 / 1_000_000,
} as const;
