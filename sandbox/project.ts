import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the project: where serverless.yml is. */
export const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** Where `npm start` keeps its data. */
export const DATA_FOLDER = join(PROJECT, '.local');
