/** As DynamoDB's wire has them: `{ S: 'text' }`, `{ N: '1' }`, … */
export type AttributeValue = Readonly<Record<string, unknown>>;
export type Item = Readonly<Record<string, AttributeValue>>;

/** What an expression is read with. */
export interface Substitutes {
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>> | undefined;
  readonly ExpressionAttributeValues?: Item | undefined;
}

export type Condition = (item: Item | undefined, given: Substitutes) => boolean;
type Operand = (item: Item | undefined, given: Substitutes) => AttributeValue | undefined;

const TOKEN = /\s*(<>|<=|>=|[=<>(),]|[#:]?[A-Za-z_][A-Za-z0-9_]*)/y;
const parsed = new Map<string, Condition>();

/** Reads a condition of DynamoDB's language, as far as this project writes it; throws at anything else. */
export function conditionOf(text: string): Condition {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const made = new Parser(text).whole();
  parsed.set(text, made);
  return made;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  whole(): Condition {
    const condition = this.#either();
    if (this.#at < this.#tokens.length) this.#refuse();
    return condition;
  }

  #either(): Condition {
    const first = this.#all();
    if (!this.#take('OR')) return first;
    const rest = this.#either();
    return (item, given) => first(item, given) || rest(item, given);
  }

  #all(): Condition {
    const first = this.#one();
    if (!this.#take('AND')) return first;
    const rest = this.#all();
    return (item, given) => first(item, given) && rest(item, given);
  }

  #one(): Condition {
    if (this.#take('(')) {
      const inside = this.#either();
      this.#require(')');
      return inside;
    }
    if (this.#take('attribute_exists')) return this.#exists(true);
    if (this.#take('attribute_not_exists')) return this.#exists(false);
    if (this.#take('begins_with')) return this.#beginsWith();
    return this.#comparison();
  }

  #exists(should: boolean): Condition {
    this.#require('(');
    const operand = this.#operand();
    this.#require(')');
    return (item, given) => (operand(item, given) !== undefined) === should;
  }

  #beginsWith(): Condition {
    this.#require('(');
    const whole = this.#operand();
    this.#require(',');
    const start = this.#operand();
    this.#require(')');
    return (item, given) => {
      const [text, prefix] = [whole(item, given)?.['S'], start(item, given)?.['S']];
      return typeof text === 'string' && typeof prefix === 'string' && text.startsWith(prefix);
    };
  }

  #comparison(): Condition {
    const left = this.#operand();
    const sign = this.#next();
    if (sign === 'BETWEEN') {
      const low = this.#operand();
      this.#require('AND');
      const high = this.#operand();
      return (item, given) => {
        const [from, to] = [order(left(item, given), low(item, given)), order(left(item, given), high(item, given))];
        return from !== undefined && to !== undefined && from >= 0 && to <= 0;
      };
    }
    const right = this.#operand();
    const holds = SIGNS[sign] ?? this.#refuse();
    return (item, given) => {
      const compared = order(left(item, given), right(item, given));
      return compared !== undefined && holds(compared);
    };
  }

  #operand(): Operand {
    const token = this.#next();
    if (token.startsWith(':')) return (_, given) => given.ExpressionAttributeValues?.[token];
    if (token.startsWith('#')) return (item, given) => item?.[given.ExpressionAttributeNames?.[token] ?? ''];
    return (item) => item?.[token];
  }

  #next(): string {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    return token ?? this.#refuse();
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at += 1;
    return true;
  }

  #require(token: string): void {
    if (!this.#take(token)) this.#refuse();
  }

  #refuse(): never {
    throw new Error(`This table does not understand the expression “${this.#text}”.`);
  }
}

const SIGNS: Readonly<Record<string, (compared: number) => boolean>> = {
  '=': (compared) => compared === 0,
  '<': (compared) => compared < 0,
  '<=': (compared) => compared <= 0,
  '>': (compared) => compared > 0,
  '>=': (compared) => compared >= 0,
};

/** How two values of one type compare; undefined for those that do not. */
function order(left: AttributeValue | undefined, right: AttributeValue | undefined): number | undefined {
  if (left === undefined || right === undefined) return undefined;
  const [a, b] = [left['S'], right['S']];
  if (typeof a === 'string' && typeof b === 'string') return a === b ? 0 : a < b ? -1 : 1;
  if (left['N'] !== undefined && right['N'] !== undefined) return Number(left['N']) - Number(right['N']);
  return JSON.stringify(left) === JSON.stringify(right) ? 0 : undefined;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const before = TOKEN.lastIndex;
    const [, token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw new Error(`This table does not understand “${text.slice(before)}”.`);
    tokens.push(token);
  }
  return tokens;
}

/** The item after an update; of the language only `ADD` of numbers and `SET` of values, which is what is written here. */
export function updated(item: Item, expression: string, given: Substitutes): Item {
  const [, verb = '', clauses = ''] = /^(ADD|SET) (.+)$/.exec(expression) ?? [];
  const next: Record<string, AttributeValue> = { ...item };
  for (const clause of clauses.split(',')) {
    const [, name = '', value = ''] = /^\s*(#?\w+) (?:= )?(:\w+)\s*$/.exec(clause) ?? [];
    const attribute = name.startsWith('#') ? given.ExpressionAttributeNames?.[name] : name;
    const operand = given.ExpressionAttributeValues?.[value];
    if (attribute === undefined || attribute === '' || operand === undefined) {
      throw new Error(`This table does not understand the update “${expression}”.`);
    }
    next[attribute] =
      verb === 'SET' ? operand : { N: String(Number(item[attribute]?.['N'] ?? 0) + Number(operand['N'])) };
  }
  return next;
}
