import type { WireDrift } from '../../lib/wire/history.ts';
import { dayOf } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.drift;
type Day = NonNullable<WireDrift['summary']>['trend'][number];

/** For each day what went out of step, what could not be told, and what came back: up and down from one line. */
export function Trend({ days }: { readonly days: readonly Day[] }) {
  const most = Math.max(1, ...days.map((day) => Math.max(day.to_out_of_sync + day.to_error, day.to_ok)));
  const share = (value: number) => `${(value / most) * 100}%`;
  return (
    <>
      <div
        className="trend"
        role="img"
        aria-label={words.trendSummary(
          days.reduce((sum, day) => sum + day.to_out_of_sync + day.to_error, 0),
          days.reduce((sum, day) => sum + day.to_ok, 0),
        )}
      >
        {days.map((day) => (
          <div
            key={day.date}
            className="trend__day"
            title={words.day(dayOf(day.date), day.to_out_of_sync, day.to_error, day.to_ok)}
          >
            <div className="trend__up">
              <span className="bands__span--error" style={{ blockSize: share(day.to_error) }} />
              <span className="bands__span--out_of_sync" style={{ blockSize: share(day.to_out_of_sync) }} />
            </div>
            <div className="trend__down">
              <span className="bands__span--ok" style={{ blockSize: share(day.to_ok) }} />
            </div>
          </div>
        ))}
      </div>
      <div className="bands__axis bands__axis--full quiet">
        <span>{dayOf(days[0]?.date)}</span>
        <span>{dayOf(days.at(-1)?.date)}</span>
      </div>
      <p className="bands__legend">
        <span>
          <span className="bands__swatch bands__span--out_of_sync" />
          {words.wentOut}
        </span>
        <span>
          <span className="bands__swatch bands__span--error" />
          {words.couldNotTell}
        </span>
        <span>
          <span className="bands__swatch bands__span--ok" />
          {words.cameBack}
        </span>
      </p>
    </>
  );
}
