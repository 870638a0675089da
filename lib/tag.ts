/** The contract's `Tag`: at most 128 of them on a resource, a name of 1–254 and a value of 0–8192 characters. */
export interface Tag {
  readonly name: string;
  readonly value: string;
}
