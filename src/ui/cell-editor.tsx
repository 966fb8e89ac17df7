/** The sliders of one cell or one row of the weights map, one per model. */

import { ActionIcon, Button } from '@mantine/core';
import IconClipboard from '@tabler/icons-react/dist/esm/icons/IconClipboard.mjs';
import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import IconLock from '@tabler/icons-react/dist/esm/icons/IconLock.mjs';
import IconTable from '@tabler/icons-react/dist/esm/icons/IconTable.mjs';
import { useState } from 'react';
import type { MapCell, WeightsMap } from '../state/engine-api.ts';
import styles from './cell-editor.module.css';
import { CommandIcon } from './command-button.tsx';
import { ModelLetter } from './model-letter.tsx';
import { NumberControl } from './number-control.tsx';
import { shortNames } from './short-names.ts';
import { useWorkbench } from './workbench-context.ts';

interface CellEditorProps {
  readonly map: WeightsMap;
  readonly row: number;
  /** Null for the whole row. */
  readonly cell: MapCell | null;
  readonly firstModel: number;
  readonly onSet: (model: number, value: number | null, gesture: string) => void;
  readonly onReset: () => void;
  /** Closes it, and shows its tensors in the table. */
  readonly onShow: () => void;
  readonly onDone: () => void;
}

export function CellEditor({ map, row, cell, firstModel, onSet, onReset, onShow, onDone }: CellEditorProps) {
  const { commands } = useWorkbench();
  // What was set here stays as it was set: the map answers a little later, and means are not what was set.
  const [set, setSet] = useState<Readonly<Record<number, number | null>>>({});
  const short = shortNames(map.models);
  const place = `${map.rows[row]?.label ?? ''} ${cell ? (map.columns[cell.column] ?? '') : ''}`.trim();
  const inRow = map.cells.filter((c) => c.row === row);
  // A row's slider begins at the mean of its cells.
  const rowMean = (model: number) => {
    const known = inRow.map(({ weights }) => weights[model] ?? Number.NaN).filter(Number.isFinite);
    return known.reduce((sum, weight) => sum + weight, 0) / known.length;
  };
  // Null where no weight is known: of a muted model that the recipe gives none, say.
  const begins = (model: number) => {
    const weight = cell ? (cell.weights[model] ?? Number.NaN) : rowMean(model);
    return Number.isFinite(weight) ? Math.round(weight * 1000) / 1000 : null;
  };
  return (
    <div role="dialog" aria-label={`Weights of ${place}`} className={styles.editor}>
      <div className={styles.title}>
        <strong>{place}</strong>
        <span>{map.handle}</span>
        <span className={styles.icons}>
          <CommandIcon command={commands.copyWeights} icon={<IconCopy size={14} aria-hidden />} />
          <CommandIcon command={commands.pasteWeights} icon={<IconClipboard size={14} aria-hidden />} />
          <CommandIcon command={commands.lockWeights} icon={<IconLock size={14} aria-hidden />} />
          <ActionIcon variant="subtle" color="gray" title="Show in table" aria-label="Show in table" onClick={onShow}>
            <IconTable size={14} aria-hidden />
          </ActionIcon>
        </span>
      </div>
      {map.models.map((model, index) => (
        <NumberControl
          key={model}
          name={`${place} ${model}`}
          caption={
            <span className={styles.model} title={model}>
              <ModelLetter index={index} /> <span>{short[index]}</span>
            </span>
          }
          value={set[index] ?? begins(index)}
          unsetWord="–"
          min={map.handleMin}
          max={map.handleMax}
          step={0.01}
          isFocusedFirst={index === firstModel}
          onChange={(value, gesture) => {
            setSet((before) => ({ ...before, [index]: value }));
            onSet(index, value, gesture);
          }}
        />
      ))}
      <div className={styles.actions}>
        <Button
          variant="subtle"
          color="gray"
          size="compact-xs"
          onClick={() => {
            setSet({});
            onReset();
          }}
        >
          Give back to the method
        </Button>
        <Button variant="light" size="compact-xs" onClick={onDone}>
          Done
        </Button>
      </div>
    </div>
  );
}
