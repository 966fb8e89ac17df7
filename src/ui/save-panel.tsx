/** Saving the merge: its name, its dtype, its format, a folder or a zip. */

import { Checkbox, NativeSelect, TextInput } from '@mantine/core';
import IconDownload from '@tabler/icons-react/dist/esm/icons/IconDownload.mjs';
import { setDtype } from '../recipe/yaml.ts';
import type { OnnxDtype } from '../state/engine-api.ts';
import { bytesFigure } from '../state/figures.ts';
import { nameObstacle } from '../state/output.ts';
import { AuditPanel } from './audit-panel.tsx';
import { CommandButton } from './command-button.tsx';
import styles from './save-panel.module.css';
import { useOutput, useStudio, useWorkbench } from './workbench-context.ts';

/** The dtypes that can be written, by the names that recipes use; none is "as the base has it". */
const DTYPES = [
  { value: '', label: 'as the base' },
  { value: 'bfloat16', label: 'bfloat16' },
  { value: 'float16', label: 'float16' },
  { value: 'float32', label: 'float32' },
];
const RECIPE_NAMES: Readonly<Record<string, string>> = { BF16: 'bfloat16', F16: 'float16', F32: 'float32' };

/** The dtypes of ONNX, and what each is for. */
const ONNX_DTYPES: readonly { value: OnnxDtype; label: string }[] = [
  { value: 'q8', label: 'q8: 8 bits' },
  { value: 'q4', label: 'q4: 4 bits' },
  { value: 'fp16', label: 'fp16: half precision' },
  { value: 'fp32', label: 'fp32: exact' },
];

export function SavePanel() {
  const { output, commands, studio } = useWorkbench();
  const { name, kind, format, onnxDtypes } = useOutput((state) => state);
  const recipe = useStudio((state) => state.recipe);
  const isBroken = useStudio((state) => state.problems.length > 0);
  const bytes = useStudio((state) => state.check?.plan?.writeBytes ?? null);
  return (
    <section aria-labelledby="output-title" className={styles.section}>
      <h2 id="output-title">Keep it</h2>
      <div className={styles.fields}>
        <TextInput
          label="Name"
          value={name}
          error={nameObstacle(name)}
          spellCheck={false}
          onChange={(event) => output.change({ name: event.currentTarget.value })}
        />
        <NativeSelect
          label="Save as"
          value={kind}
          onChange={(event) => output.change({ kind: event.currentTarget.value === 'folder' ? 'folder' : 'zip' })}
          data={[
            { value: 'folder', label: 'Folder', disabled: !output.canPickFolder },
            { value: 'zip', label: 'Zip' },
          ]}
        />
        <NativeSelect
          label="Stored as"
          value={recipe?.outDtype ? (RECIPE_NAMES[recipe.outDtype] ?? '') : ''}
          disabled={!recipe || isBroken}
          onChange={(event) => {
            const dtype = event.currentTarget.value;
            studio.edit((text) => setDtype(text, dtype === '' ? null : dtype));
          }}
          data={DTYPES}
        />
      </div>
      <div className={styles.fields}>
        <NativeSelect
          label="Format"
          value={format}
          onChange={(event) => output.change({ format: event.currentTarget.value === 'onnx' ? 'onnx' : 'safetensors' })}
          data={[
            { value: 'safetensors', label: 'safetensors' },
            { value: 'onnx', label: 'ONNX (transformers.js)' },
          ]}
        />
        {format === 'onnx' && (
          <Checkbox.Group
            className={styles.dtypes}
            label="ONNX dtypes"
            value={[...onnxDtypes]}
            onChange={(values) => {
              const dtypes = ONNX_DTYPES.map(({ value }) => value).filter((value) => values.includes(value));
              // One is always there.
              if (dtypes.length > 0) output.change({ onnxDtypes: dtypes });
            }}
          >
            <div className={styles.choices}>
              {ONNX_DTYPES.map(({ value, label }) => (
                <Checkbox key={value} value={value} label={label} size="xs" />
              ))}
            </div>
          </Checkbox.Group>
        )}
      </div>
      <div className={styles.row}>
        <CommandButton command={commands.save} variant="default" icon={<IconDownload size={14} aria-hidden />} />
        <p className={styles.note}>
          {bytes === null
            ? 'Nothing to keep yet: the line beside Merge says what is missing.'
            : format === 'onnx'
              ? `ONNX in ${onnxDtypes.join(', ')} for transformers.js, with config, tokenizer, recipe, model card and audit.`
              : `${bytesFigure(bytes)} of safetensors, with config, tokenizer, recipe, model card and audit.`}
        </p>
      </div>
      <AuditPanel />
    </section>
  );
}
