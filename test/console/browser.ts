import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

/**
 * The Chromium of the npm package, with the libraries that it brings, so that nothing has to be installed. Its module unpacks them where it
 * believes to be in a Lambda function.
 */
export async function launchChromium(): Promise<Browser> {
  const before = process.env['AWS_EXECUTION_ENV'];
  process.env['AWS_EXECUTION_ENV'] = 'AWS_Lambda_nodejs22.x';
  try {
    const bundled = await import('@sparticuz/chromium');
    const executablePath = await bundled.default.executablePath();
    return await chromium.launch({
      executablePath,
      headless: true,
      args: [
        '--no-sandbox',
        '--disable-dev-shm-usage',
        '--disable-gpu',
        '--force-color-profile=srgb',
        '--hide-scrollbars',
      ],
      env: { ...process.env, HOME: process.env['HOME'] ?? '/tmp' },
    });
  } finally {
    if (before === undefined) delete process.env['AWS_EXECUTION_ENV'];
    else process.env['AWS_EXECUTION_ENV'] = before;
  }
}

/** The source of axe-core, to be run in a page. */
export const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
