import * as z from 'zod/mini';
import { describe, expect, it } from 'vitest';
import held from '../../docs/schemas/auto-repair-held.json' with { type: 'json' };
import announced from '../../docs/schemas/key-change-announced.json' with { type: 'json' };
import event from '../../docs/schemas/key-flag-changed.json' with { type: 'json' };
import notice from '../../docs/schemas/notice.json' with { type: 'json' };
import {
  autoRepairHeldDetail,
  flagChangedDetail,
  keyChangeAnnouncedDetail,
  noticeBody,
} from '../../lib/notices/notice.ts';

describe('the documented schemas of what leaves Shearline by itself', () => {
  it.each([
    ['docs/schemas/key-flag-changed.json', event, flagChangedDetail],
    ['docs/schemas/key-change-announced.json', announced, keyChangeAnnouncedDetail],
    ['docs/schemas/auto-repair-held.json', held, autoRepairHeldDetail],
    ['docs/schemas/notice.json', notice, noticeBody],
  ])('%s is that of the code', (_file, documented, schema) => {
    expect(documented).toMatchObject(JSON.parse(JSON.stringify(z.toJSONSchema(schema(), { io: 'input' }))) as object);
  });
});
