/** The open checkpoints: which is the base, which are in the blend, and what could not be opened. */

import { ActionIcon, Checkbox, Radio } from '@mantine/core';
import IconX from '@tabler/icons-react/dist/esm/icons/IconX.mjs';
import { METHODS } from '../methods/index.ts';
import type { CheckpointSummary } from '../state/engine-api.ts';
import { bytesFigure, plural, shortCount } from '../state/figures.ts';
import { fullObstacle } from '../state/method-switch.ts';
import { isTextOnly } from '../state/recipe-edits.ts';
import { AddFiles } from './add-files.tsx';
import styles from './checkpoint-list.module.css';
import { CommandButton } from './command-button.tsx';
import { ModelLetter } from './model-letter.tsx';
import { Refusals } from './refusals.tsx';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function CheckpointList() {
  const { commands } = useWorkbench();
  const checkpoints = useStudio((state) => state.checkpoints);
  const isText = useStudio(({ recipe }) => recipe !== null && isTextOnly(recipe));
  const hasSamples = useStudio((state) => state.samples !== null);
  return (
    <section aria-labelledby="checkpoints-title" className={styles.section}>
      <h2 id="checkpoints-title">Checkpoints</h2>
      <ul className={styles.list}>
        {checkpoints.map((checkpoint) => (
          <li key={checkpoint.name}>
            <CheckpointCard checkpoint={checkpoint} />
          </li>
        ))}
      </ul>
      {isText && <p className={styles.skill}>This recipe says in its text which layers come from which checkpoint.</p>}
      <Refusals />
      <AddFiles />
      {!hasSamples && (
        <CommandButton command={commands.openSamples} variant="subtle" className={styles.samples ?? ''} />
      )}
    </section>
  );
}

function CheckpointCard({ checkpoint }: { checkpoint: CheckpointSummary }) {
  const { studio } = useWorkbench();
  const { name } = checkpoint;
  const recipe = useStudio((state) => state.recipe);
  const canEdit = useStudio(
    (state) => state.recipe !== null && state.problems.length === 0 && !isTextOnly(state.recipe),
  );
  const isOnly = useStudio((state) => state.checkpoints.length === 1);
  const about = useStudio((state) => state.samples?.models.find(({ folder }) => folder === name)?.description ?? null);
  const place = recipe?.models.findIndex(({ model }) => model === name) ?? -1;
  const isBase = recipe ? recipe.base === name : isOnly;
  const method = recipe ? METHODS.get(recipe.method) : undefined;
  const isNeeded = place >= 0 && (recipe?.models.length ?? 0) <= (method?.models.min ?? 1);
  const obstacle = recipe && place < 0 ? fullObstacle(recipe, method) : null;

  return (
    // A fieldset would put its legend into every control's name.
    <div role="group" aria-label={name} className={styles.card} data-base={isBase || undefined}>
      <div className={styles.head}>
        <ModelLetter index={place} />
        <span className={styles.name} title={name}>
          {name}
        </span>
        <ActionIcon size="sm" variant="subtle" color="gray" aria-label="Remove" onClick={() => void studio.close(name)}>
          <IconX size={14} aria-hidden />
        </ActionIcon>
      </div>
      <p className={styles.figures} title={[...facts(checkpoint), ...checkpoint.weightFiles].join('\n')}>
        {facts(checkpoint).join(' · ')}
      </p>
      {about && <p className={styles.skill}>{about}</p>}
      {obstacle && <p className={styles.figures}>{obstacle}</p>}
      {checkpoint.chatObstacle && <p className={styles.obstacle}>{checkpoint.chatObstacle}</p>}
      <div className={styles.roles}>
        <Radio
          name="base"
          label="Base"
          value={name}
          checked={isBase}
          disabled={!canEdit}
          onChange={() => studio.chooseBase(name)}
        />
        {recipe && !(isBase && method?.base === 'required') && (
          <Checkbox
            label="In the blend"
            checked={place >= 0}
            disabled={!canEdit || isNeeded || obstacle !== null}
            onChange={(event) => studio.include(name, event.currentTarget.checked)}
          />
        )}
      </div>
    </div>
  );
}

function facts(checkpoint: CheckpointSummary): string[] {
  const { modelType, elements, layers, dtypes, totalBytes, tensorCount, weightFiles } = checkpoint;
  return [
    modelType ?? 'no config',
    shortCount(elements),
    ...(layers > 0 ? [plural(layers, 'layer')] : [plural(tensorCount, 'tensor')]),
    dtypes.map(({ dtype }) => dtype).join(', '),
    bytesFigure(totalBytes),
    ...(weightFiles.length > 1 ? [`${weightFiles.length} files`] : []),
  ];
}
