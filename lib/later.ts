/**
 * What is made when it is first asked for, once. A function's bundle holds the schemas of many operations and building one takes longer than
 * using it, so a cold start pays only for those of its first request. What throws is tried again by whoever asks next.
 */
export function later<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
