/**
 * A schema that is built when it is first asked for. A function's bundle holds the schemas of many operations and building one takes longer
 * than using it, so a cold start pays only for those of its first request.
 */
export function later<Schema>(build: () => Schema): () => Schema {
  let built: Schema | undefined;
  return () => (built ??= build());
}
