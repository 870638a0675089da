import { english } from './en.ts';

/** Every word of the console in the language that is shown. Another language is another object of this type. */
export type Text = typeof english;
export const text: Text = english;
