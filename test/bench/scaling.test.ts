import { describe, expect, test } from 'vitest';
import { simulate } from '../../bench/scaling/simulation.ts';
import type { Fleet } from '../../bench/scaling/simulation.ts';

const FLEET: Fleet = {
  keys: 200_000,
  scopes: 20,
  skew: 0.5,
  functions: 4,
  share: 0.5,
  crowded: 0,
  down: 0,
  crashes: 0,
  drifted: 0.01,
  seed: 7,
};

describe('the simulation of a large fleet', () => {
  test('asks for every key once when nothing goes wrong, no faster than the quota lets it', () => {
    const outcome = simulate(FLEET);
    expect(outcome.calls).toBe(outcome.sweptKeys);
    expect(outcome.sweptKeys).toBeGreaterThan(199_000);
    expect(outcome.all).toBeGreaterThanOrEqual(outcome.sweptKeys / (FLEET.functions * 1_000));
    expect(outcome.throttled).toBe(0);
    expect(outcome.runs).toBe(FLEET.scopes);
  });

  test('is the same for the same seed', () => {
    expect(simulate(FLEET)).toEqual(simulate(FLEET));
  });

  test('takes less time with more functions, down to what the largest scope takes, and more with less of the quota', () => {
    const [few, some, many] = [2, 10, 1_000].map((functions) => simulate({ ...FLEET, functions }).all);
    expect(few).toBeGreaterThan(some ?? 0);
    expect(some).toBeGreaterThanOrEqual(many ?? 0);
    expect(simulate({ ...FLEET, share: 0.25 }).all).toBeGreaterThan(simulate(FLEET).all);
  });

  test('comes to every key in spite of crashes, and hands over what takes longer than a run', () => {
    const crashing = simulate({ ...FLEET, share: 0.05, crashes: 0.3 });
    expect(crashing.crashes).toBeGreaterThan(0);
    expect(crashing.sweptKeys).toBe(simulate(FLEET).sweptKeys);
    const large = simulate({ ...FLEET, keys: 2_000_000, scopes: 20, skew: 0, share: 0.05 });
    expect(large.runs).toBeGreaterThan(FLEET.scopes);
  });

  test('holds up the well scopes by those that are down no more than by the functions that these take', () => {
    const well = simulate({ ...FLEET, functions: 20 }).allWell;
    expect(simulate({ ...FLEET, functions: 20, down: 0.3 }).allWell).toBeLessThanOrEqual(well);
  });
});
