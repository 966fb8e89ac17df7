/** The picture on the empty page: three models as strips of weights, and the blend that takes from each where it counts. */

import styles from './welcome-picture.module.css';

const ROWS = 7;
const CELL = 22;
const STEP = CELL + 4;
/** How much each model changed, part by part: 0 to 1. Made up, as any three models would look. */
const CHANGES: readonly (readonly number[])[] = [
  [0.15, 0.9, 0.75, 0.2, 0.1, 0.3, 0.12],
  [0.7, 0.2, 0.15, 0.85, 0.3, 0.1, 0.25],
  [0.1, 0.15, 0.3, 0.2, 0.95, 0.8, 0.6],
];
const STRIP_LEFT = [6, 66, 126];
const BLEND_LEFT = 262;
const TOP = 10;

/** The model that changed a part most. */
function leader(row: number): number {
  const changes = CHANGES.map((own) => own[row] ?? 0);
  return changes.indexOf(Math.max(...changes));
}

export function WelcomePicture() {
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  return (
    <svg className={styles.picture} viewBox="0 0 296 206" aria-hidden focusable="false">
      {rows.map((row) => {
        const from = (STRIP_LEFT[leader(row)] ?? 0) + CELL;
        const y = TOP + row * STEP + CELL / 2;
        return (
          <path
            key={row}
            className={styles.line}
            data-model={leader(row)}
            d={`M${from + 3} ${y}H${BLEND_LEFT - 5}`}
            style={{ animationDelay: `${row * 90}ms` }}
          />
        );
      })}
      {/* Under the cells, so that no line shows through a pale one. */}
      {STRIP_LEFT.map((left) =>
        rows.map((row) => (
          <rect
            key={`${left} ${row}`}
            className={styles.ground}
            x={left}
            y={TOP + row * STEP}
            width={CELL}
            height={CELL}
            rx={4}
          />
        )),
      )}
      {CHANGES.map((changes, model) =>
        changes.map((change, row) => (
          <rect
            key={`${STRIP_LEFT[model]} ${TOP + row * STEP}`}
            className={styles.cell}
            data-model={model}
            x={STRIP_LEFT[model]}
            y={TOP + row * STEP}
            width={CELL}
            height={CELL}
            rx={4}
            fillOpacity={0.08 + 0.92 * change}
          />
        )),
      )}
      {rows.map((row) => (
        <rect
          key={row}
          className={styles.blend}
          data-model={leader(row)}
          x={BLEND_LEFT}
          y={TOP + row * STEP}
          width={CELL + 6}
          height={CELL}
          rx={4}
          style={{ animationDelay: `${300 + row * 90}ms` }}
        />
      ))}
    </svg>
  );
}
