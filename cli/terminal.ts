import { stripVTControlCharacters, styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Somewhere to write to. */
export interface Stream {
  write(text: string): void;
  /** Whether it is a terminal that wants colour: NO_COLOR and FORCE_COLOR are respected. */
  readonly colour: boolean;
  /** The width of the terminal in characters; undefined where it is none. */
  readonly width: number | undefined;
}

/** Where a command writes. What it answers goes to `out`, alone; everything said on the way goes to `err`. */
export interface Terminal {
  readonly out: Stream;
  readonly err: Stream;
  /** Where a question is shown. */
  readonly questions: NodeJS.WritableStream;
  /** Whether somebody can be asked: input and the side channel are a terminal. */
  readonly asks: boolean;
}

export function openTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  return { out: streamOf(stdout), err: streamOf(stderr), questions: stderr, asks: stdin.isTTY && stderr.isTTY };
}

function streamOf(stream: NodeJS.WriteStream): Stream {
  return {
    write: (text) => {
      stream.write(text);
    },
    colour: styleText('red', '-', { stream, validateStream: true }) !== '-',
    width: stream.isTTY ? stream.columns || 80 : undefined,
  };
}

export function styled(style: Style, text: string, { colour }: Pick<Stream, 'colour'>): string {
  return colour ? styleText(style, text, { validateStream: false }) : text;
}

/**
 * Rows as lines that line up, under a heading. Control characters are taken out: what others named must not steer the reader's terminal. The
 * last column is not filled up.
 */
export function table(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  stream: Pick<Stream, 'colour'>,
  styleOf: (row: readonly string[], index: number) => Style | undefined = () => undefined,
): string {
  const clean = rows.map((row) => row.map(printable));
  const widths = columns.map((name, at) => Math.max(widthOf(name), ...clean.map((row) => widthOf(row[at] ?? ''))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at === columns.length - 1 ? cell : cell + ' '.repeat((widths[at] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd();
  const lines = clean.map((row, index) => {
    const style = styleOf(row, index);
    return style === undefined ? line(row) : styled(style, line(row), stream);
  });
  return [styled('dim', line(columns), stream), ...lines, ''].join('\n');
}

/** Names and their values below each other; what has no value is left out. */
export function facts(entries: readonly (readonly [name: string, value: string | undefined])[]): string {
  const shown = entries.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, value] as const],
  );
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}\n`).join('');
}

/** On one line and without anything that a terminal would obey. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g,
    ' ',
  );
}

/** Code points, not UTF-16 units. Names here are letters and digits nearly always. */
function widthOf(text: string): number {
  return Array.from(text).length;
}

/** A line on the side channel that says how far long work is; silent where nobody looks. */
export interface Progress {
  step(says: string): void;
  end(): void;
}

export function progress(terminal: Terminal): Progress {
  const { width } = terminal.err;
  if (width === undefined) return { step: () => undefined, end: () => undefined };
  const clear = '\r\u001b[2K';
  return {
    step: (says) => {
      terminal.err.write(`${clear}${printable(says).slice(0, width - 1)}`);
    },
    end: () => {
      terminal.err.write(clear);
    },
  };
}
