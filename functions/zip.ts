import { zipSync } from 'fflate';

/** A zip archive with one file of text in it. In a module of its own, loaded when somebody asks for a file: few do. */
export function zipped(name: string, content: string): Uint8Array {
  return zipSync({ [name]: new TextEncoder().encode(content) });
}
