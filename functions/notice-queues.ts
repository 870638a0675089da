import * as z from 'zod/mini';
import { ConfigError } from '../lib/config.ts';
import { noticeBody } from '../lib/notices/notice.ts';
import type { NoticeBody } from '../lib/notices/notice.ts';
import { instant } from '../lib/records/item.ts';
import { queueNamed } from './queue-named.ts';

/** Windows whose changes are to be told, each of one keystore. */
export const noticesQueue = queueNamed('NOTICES_QUEUE');
/** Notices on their way, each to one subscriber. */
export const deliveriesQueue = queueNamed('DELIVERIES_QUEUE');

const DEFAULT_WINDOW_SECONDS = 60;

/** How long a window is: NOTICE_WINDOW_SECONDS, 1–3600. Throws a `ConfigError` for anything else. */
export function windowSeconds(): number {
  const given = process.env['NOTICE_WINDOW_SECONDS'] ?? '';
  if (given === '') return DEFAULT_WINDOW_SECONDS;
  const seconds = Number(given);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600) return seconds;
  throw new ConfigError('NOTICE_WINDOW_SECONDS must be a whole number from 1 to 3600.');
}

/** Without a keystore: of the vault's announcements. */
const WINDOW = z.object({ vaultId: z.string(), keystoreId: z.optional(z.string()), from: instant, to: instant });
export type WindowMessage = z.output<typeof WINDOW>;

export const writeWindow = (message: WindowMessage): string => JSON.stringify(z.encode(WINDOW, message));
/** Throws for what is no such message. */
export const readWindow = (body: string): WindowMessage => z.decode(WINDOW, JSON.parse(body) as z.input<typeof WINDOW>);

export interface DeliveryMessage {
  readonly subscriptionId: string;
  readonly notice: NoticeBody;
}

export const writeDelivery = (message: DeliveryMessage): string => JSON.stringify(message);
/** Throws for what is no such message. */
export const readDelivery = (body: string): DeliveryMessage =>
  z.object({ subscriptionId: z.string(), notice: noticeBody() }).parse(JSON.parse(body));
