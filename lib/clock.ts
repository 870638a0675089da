/** The only source of time for code that decides; tests and the sandbox hand in their own. */
export type Clock = () => Date;

export const systemClock: Clock = () => new Date();
