/** Reads CSV as RFC 4180 has it, and nothing looser. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  let row: string[] = [];
  let end = 0;
  for (let match = cell.exec(text); match !== null; match = cell.exec(text)) {
    const [, quoted, plain = '', separator] = match;
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (separator === '\r\n') {
      rows.push(row);
      row = [];
    }
    end = cell.lastIndex;
  }
  if (end !== text.length || row.length > 0) throw new Error(`This is no CSV from character ${end} on.`);
  return rows;
}
