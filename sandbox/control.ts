import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod/mini';
import type { SandboxClock } from './clock.ts';
import { listenOnLoopback } from './ports.ts';

/** One thing that the control port can do. Paths start with a slash and are served below the sandbox's name. */
export interface ControlRoute {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  /** One sentence for the index. */
  summary: string;
  /** A body to copy from, or a list of them. */
  example?: unknown;
  answer: (body: unknown, query: URLSearchParams) => unknown;
}

export interface ControllableSandbox {
  controlRoutes(): readonly ControlRoute[];
  /** Lets everything happen that became due when the clock moved. */
  tick(): void;
}

export interface Control {
  endpoint: string;
  close(): Promise<void>;
}

export interface ControlOptions {
  /** 0, or nothing, for any free port. */
  port?: number;
  clock: SandboxClock;
  /** By the name that their routes are served below, such as `aws_kms`. */
  sandboxes: Record<string, ControllableSandbox>;
}

/** A request that cannot be served, in one sentence for a person. */
export class ControlError extends Error {
  readonly status: number;

  constructor(status: number, sentence: string) {
    super(sentence);
    this.name = 'ControlError';
    this.status = status;
  }
}

/** Parses a request's body. What does not fit becomes one sentence that says where. */
export function parseBody<S extends z.ZodMiniType>(schema: S, body: unknown): z.output<S> {
  const parsed = z.safeParse(schema, body);
  if (parsed.success) return parsed.data;
  const said = parsed.error.issues.map((issue) => {
    const place = issue.path.length === 0 ? 'The body' : `"${issue.path.join('.')}"`;
    return `${place}: ${issueText(issue)}`;
  });
  throw new ControlError(400, `${said.join('; ')}.`);
}

function issueText(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `has unknown members ${issue.keys.join(', ')}`;
    case 'invalid_type':
      return `must be a ${issue.expected}`;
    case 'too_small':
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? `must be one of ${issue.options.join(', ')}`
        : 'must be one of the documented forms';
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return issue.message;
  }
}

const clockInput = z.strictObject({ advance_seconds: z.number().check(z.minimum(0), z.maximum(10 * 365 * 86_400)) });
const bodyLimit = 1024 * 1024;

/** Starts the one HTTP port through which people and scripts tamper with every sandbox, on 127.0.0.1 only. */
export async function startControl(options: ControlOptions): Promise<Control> {
  const routes = allRoutes(options);
  const server = createServer((request, response) => {
    void serve(routes, request, response);
  });
  const port = await listenOnLoopback(server, options.port ?? 0);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function allRoutes(options: ControlOptions): readonly ControlRoute[] {
  const routes: ControlRoute[] = [
    {
      method: 'GET',
      path: '/',
      summary: 'This index.',
      answer: () => ({
        routes: routes.map(({ method, path, summary, example }) => ({ method, path, summary, example })),
      }),
    },
    ...clockRoutes(options),
    ...Object.entries(options.sandboxes).flatMap(([name, sandbox]) =>
      sandbox.controlRoutes().map((route) => ({ ...route, path: `/${name}${route.path}` })),
    ),
  ];
  return routes;
}

function clockRoutes({ clock, sandboxes }: ControlOptions): ControlRoute[] {
  const reading = () => ({ now: clock.now().toISOString(), offset_seconds: clock.offset() / 1000 });
  return [
    { method: 'GET', path: '/clock', summary: 'The time in every sandbox.', answer: reading },
    {
      method: 'POST',
      path: '/clock',
      summary: 'Moves time forward in every sandbox; what becomes due happens before this answers.',
      example: { advance_seconds: 604_800 },
      answer: (body) => {
        clock.advance(parseBody(clockInput, body).advance_seconds * 1000);
        for (const sandbox of Object.values(sandboxes)) sandbox.tick();
        return reading();
      },
    },
  ];
}

async function serve(
  routes: readonly ControlRoute[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    checkHost(request);
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const route = find(routes, request.method ?? 'GET', url.pathname);
    const body = route.method === 'POST' ? await readJson(request) : undefined;
    respond(response, 200, await route.answer(body, url.searchParams));
  } catch (error) {
    const status = error instanceof ControlError ? error.status : 500;
    respond(response, status, { error: error instanceof Error ? error.message : String(error) });
  }
}

/** A web page elsewhere must not reach this port through a name that it points here. */
function checkHost(request: IncomingMessage): void {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (host !== '127.0.0.1' && host !== 'localhost') throw new ControlError(403, `${host} is not a name of this port.`);
}

function find(routes: readonly ControlRoute[], method: string, path: string): ControlRoute {
  const here = routes.filter((route) => route.path === path);
  const route = here.find((candidate) => candidate.method === method);
  if (route) return route;
  if (here.length === 0) throw new ControlError(404, `There is no ${path}; GET / lists every route.`);
  throw new ControlError(405, `${path} takes ${here.map((candidate) => candidate.method).join(', ')}, not ${method}.`);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bodyLimit) throw new ControlError(413, 'The body is larger than 1 MB.');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ControlError(400, 'The body is not JSON.');
  }
}

function respond(response: ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(answer, null, 2)}\n`);
}
