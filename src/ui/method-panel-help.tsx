/** Help where the control is: a small button that opens what a parameter's or a method's declaration says about it. */

import { ActionIcon, Popover } from '@mantine/core';
import IconHelp from '@tabler/icons-react/dist/esm/icons/IconHelp.mjs';
import { type ReactNode, useState } from 'react';
import type { Method, Parameter } from '../methods/method.ts';
import { plainWords } from '../methods/plain-words.ts';
import styles from './method-panel-help.module.css';
import { takesText } from './method-groups.ts';
import { PopOut } from './pop-out.tsx';

/** A button called `About <name>` and what it opens. */
export function Help({ name, children }: { name: string; children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <PopOut opened={isOpen} onChange={setOpen} width="min(20rem, calc(100vw - 2rem))" withArrow>
      <Popover.Target>
        <ActionIcon
          size={20}
          variant="transparent"
          color="gray"
          className={styles.button ?? ''}
          aria-label={`About ${name}`}
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          title={`About ${name}`}
          onClick={() => setOpen((was) => !was)}
        >
          <IconHelp size={14} aria-hidden />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p="sm">
        <div role="dialog" aria-label={`About ${name}`} tabIndex={-1} data-autofocus className={styles.help}>
          {children}
        </div>
      </Popover.Dropdown>
    </PopOut>
  );
}

interface ParameterHelpProps {
  readonly name: string;
  readonly parameter: Exclude<Parameter, { kind: 'ignored' }>;
  readonly isPerModel?: boolean;
}

/** What a parameter does, what it may be, and what it is where the recipe says nothing. */
export function ParameterHelp({ name, parameter, isPerModel = false }: ParameterHelpProps) {
  return (
    <Help name={name}>
      <p>
        <strong>{name}</strong>
        {isPerModel && ', for each model'}
      </p>
      <p>{plainWords(parameter.help)}</p>
      <dl>
        {parameter.kind === 'choice' &&
          parameter.options.map((option) => (
            <div key={option}>
              <dt>{option}</dt>
              <dd>{parameter.optionHelp[option]}</dd>
            </div>
          ))}
        {parameter.kind === 'number' && (
          <div>
            <dt>Range</dt>
            <dd>{rangeText(parameter)}</dd>
          </div>
        )}
        <div>
          <dt>Default</dt>
          <dd>{defaultText(parameter)}</dd>
        </div>
      </dl>
    </Help>
  );
}

function rangeText({ min, max, strict, least }: Extract<Parameter, { kind: 'number' }>): string {
  const range = `${min} to ${max}`;
  if (strict) return `${range}.`;
  if (least === null) return `${range} on the slider; a recipe may go beyond.`;
  return least === min
    ? `${range} on the slider; a recipe may go above.`
    : `${range} on the slider; at least ${least}.`;
}

function defaultText(parameter: ParameterHelpProps['parameter']): string {
  if (parameter.default === null) return 'Off.';
  if (parameter.kind === 'boolean') return parameter.default ? 'On.' : 'Off.';
  return `${parameter.default}.`;
}

/** What a method does, what it needs, where it is written down, and how it differs from mergekit's. */
export function MethodHelp({ method }: { method: Method }) {
  const { title, summary, paper, inMergekit, differences = [], presets = [] } = method;
  return (
    <Help name={title}>
      <p>
        <strong>{title}</strong>
      </p>
      <p>{summary}</p>
      <dl>
        <div>
          <dt>Takes</dt>
          <dd>{takesText(method)}.</dd>
        </div>
        <div>
          <dt>mergekit</dt>
          <dd>{inMergekit ? `Has it as ${method.name}.` : 'Does not have it.'}</dd>
        </div>
        {paper !== null && (
          <div>
            <dt>Source</dt>
            <dd>
              <a href={paper} target="_blank" rel="noreferrer">
                {paper.replace(/^https?:\/\//, '')}
              </a>
            </dd>
          </div>
        )}
      </dl>
      {presets[0] && <p>{presets[0].when}</p>}
      {differences.length > 0 && (
        <details>
          <summary>How it differs from mergekit’s</summary>
          <ul>
            {differences.map((difference) => (
              <li key={difference}>{plainWords(difference)}</li>
            ))}
          </ul>
        </details>
      )}
    </Help>
  );
}
