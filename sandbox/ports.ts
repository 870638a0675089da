import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { StartProblem } from './start-problem.ts';

export const LOOPBACK = '127.0.0.1';

/** Has a server listen on the loopback interface, on any free port for 0, and answers which. Throws what the system says where it cannot. */
export async function listenOnLoopback(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: LOOPBACK, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port');
  return address.port;
}

/** A port that nobody listens on at this moment. It is not reserved: use it at once. */
export async function freePort(): Promise<number> {
  return await listenOnce(0);
}

/**
 * Throws a `StartProblem` naming the port, its use and `PORT` unless a server can listen on it, now or within `patience` milliseconds.
 * `first` is the port that `PORT` says.
 */
export async function requireFreePort(
  { port, use, first }: { readonly port: number; readonly use: string; readonly first: number },
  patience = 0,
): Promise<void> {
  const place = `${port} (${use}${port === first ? '' : `, PORT + ${port - first}`})`;
  const deadline = Date.now() + patience;
  for (;;) {
    try {
      await listenOnce(port);
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EADDRINUSE') {
        if (Date.now() < deadline) {
          await wait(100);
          continue;
        }
        throw new StartProblem(
          `Port ${place} is in use by another program: stop that program, or choose other ports, as in PORT=${first === 3000 ? 4000 : 3000} npm start.`,
        );
      }
      if (code === 'EACCES') {
        throw new StartProblem(`Port ${place} needs more rights than you have: set PORT to a number above 1023.`);
      }
      throw error;
    }
  }
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  const used = await listenOnLoopback(server, port);
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  return used;
}
