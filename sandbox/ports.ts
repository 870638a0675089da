import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { StartProblem } from './start-problem.ts';

export const LOOPBACK = '127.0.0.1';

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
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: LOOPBACK, port }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('A TCP server has a port'));
        else resolve(address.port);
      });
    });
  });
}
