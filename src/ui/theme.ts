/** Theme: the colours, sizes and type of the page. A quiet ground, one accent (verdigris) and dense controls. */

import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const verdigris: MantineColorsTuple = [
  '#e9f5f2',
  '#d3e9e4',
  '#a6d3ca',
  '#76bcaf',
  '#4fa999',
  '#2f9484',
  '#177a6c',
  '#0e6459',
  '#0b5048',
  '#083c36',
];

/** Greys with a trace of the accent; Mantine reads the page's dark surfaces from these ten. */
const dark: MantineColorsTuple = [
  '#e2e8e5',
  '#c3ccc8',
  '#a5b0ab',
  '#85928d',
  '#4c5854',
  '#38423f',
  '#262e2c',
  '#1c2321',
  '#161b1a',
  '#101413',
];

const gray: MantineColorsTuple = [
  '#f6f7f5',
  '#eef0ed',
  '#e2e6e2',
  '#d1d7d2',
  '#b4bdb7',
  '#8a958f',
  '#66726c',
  '#4a554f',
  '#333c38',
  '#202724',
];

export const theme = createTheme({
  colors: { verdigris, dark, gray },
  primaryColor: 'verdigris',
  primaryShade: { light: 7, dark: 6 },
  autoContrast: true,
  luminanceThreshold: 0.25,
  defaultRadius: 5,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  spacing: { xs: '0.375rem', sm: '0.5rem', md: '0.75rem', lg: '1rem', xl: '1.5rem' },
  headings: {
    fontWeight: '600',
    sizes: { h1: { fontSize: '1rem' }, h2: { fontSize: '0.875rem' }, h3: { fontSize: '0.8125rem' } },
  },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: 'xs' } },
    // The description below, so that selects side by side stand on one line.
    NativeSelect: { defaultProps: { size: 'xs', inputWrapperOrder: ['label', 'input', 'description', 'error'] } },
    TextInput: { defaultProps: { size: 'xs' } },
    Textarea: { defaultProps: { size: 'xs' } },
    Switch: { defaultProps: { size: 'xs' } },
    Radio: { defaultProps: { size: 'xs' } },
    Checkbox: { defaultProps: { size: 'xs' } },
  },
});

/** Text colours dense enough for small type on both grounds. */
export const resolveVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#f6f7f5',
    '--mantine-color-text': '#1d2421',
    '--mantine-color-dimmed': '#58645e',
    '--mantine-color-placeholder': '#68746e',
    '--mantine-color-error': '#a5231b',
  },
  dark: {
    '--mantine-color-body': '#161b1a',
    '--mantine-color-text': '#dfe6e3',
    '--mantine-color-dimmed': '#a0aca7',
    '--mantine-color-placeholder': '#8d9994',
    '--mantine-color-error': '#ff9c8f',
  },
});
