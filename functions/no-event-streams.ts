/*
 * In bundles this takes the place of the AWS SDK's event streams: no operation that is called here has one, and they are a twentieth of a
 * small function. The SDK loads them only for an operation that has.
 */

const SAYS = 'This bundle has no event streams; functions/no-event-streams.ts stands in their place.';

export function EventStreamSerde(): never {
  throw new Error(SAYS);
}

export function eventStreamSerdeProvider(): never {
  throw new Error(SAYS);
}
