import { isDeepStrictEqual, styleText } from 'node:util';
import { apiClient } from './api-client.ts';
import type { Answer, ApiClient, Json, Request } from './api-client.ts';

/** An expectation of the story that was not met. The message says what was expected and what was seen. */
export class ExpectationFailed extends Error {
  override readonly name = 'ExpectationFailed';
}

export interface Narrator {
  /** Begins a part of the story. */
  chapter(letter: string, title: string): void;
  say(sentence: string): void;
  /** Something done or seen outside Shearline. */
  outside(place: string, what: string): void;
  /** Prints that something is as expected, or throws an `ExpectationFailed`. */
  expect(what: string, seen: unknown, expected: unknown): void;
  /** Lines of an answer, or of anything else worth showing. */
  show(lines: readonly string[]): void;
  /** A caller whose every request is printed: method, path, the headers that matter, body and status. */
  caller(options: { readonly api: string; readonly token: string; readonly role: string }): ApiClient;
}

/** Secrets are not shown, not even those of a sandbox: what people see here they imitate. */
const SECRET = /secret|password|credentials|api_key$/;

export function narrator(print: (line: string) => void = console.log): Narrator {
  return {
    chapter(letter, title) {
      print('');
      print(styleText('bold', `${letter}. ${title}`));
    },
    say(sentence) {
      print(`   ${sentence}`);
    },
    outside(place, what) {
      print(styleText('magenta', `   ${place}: ${what}`));
    },
    show(lines) {
      for (const line of lines) print(`     ${line}`);
    },
    expect(what, seen, expected) {
      if (!isDeepStrictEqual(seen, expected)) {
        throw new ExpectationFailed(`${what}: expected ${inJson(expected)}, saw ${inJson(seen)}`);
      }
      print(styleText('green', `   ✓ ${what}`));
    },
    caller: ({ api, token, role }) =>
      apiClient({
        api,
        token,
        watch: (request, answer) => {
          print(styleText('cyan', `   ${request.method} /api/v4${request.path}`) + styleText('dim', `  as ${role}`));
          for (const line of told(request)) print(styleText('dim', `     ${line}`));
          print(`     ${status(answer)}`);
        },
      }),
  };
}

function told(request: Request): string[] {
  return [
    ...(request.ifMatch === undefined ? [] : [`If-Match: ${request.ifMatch}`]),
    ...Object.entries(request.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ...(request.body === undefined ? [] : [JSON.stringify(withoutSecrets(request.body))]),
  ];
}

function status({ status, etag, body }: Answer): string {
  const errors = status >= 400 ? messagesOf(body) : [];
  return [`→ ${status}`, ...(etag === undefined ? [] : [`ETag: ${etag}`]), ...errors].join('  ');
}

function messagesOf(body: unknown): string[] {
  if (typeof body !== 'object' || body === null || !('errors' in body) || !Array.isArray(body.errors)) return [];
  return body.errors.map((error: unknown) =>
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : inJson(error),
  );
}

function withoutSecrets(value: Json): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      SECRET.test(name) ? '********' : member === undefined ? undefined : withoutSecrets(member),
    ]),
  );
}

function inJson(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
