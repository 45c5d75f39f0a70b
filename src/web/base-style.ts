/** The looks that all pages share: light and dark, from one set of variables. */

/** Colours of a page's own, as declarations of variables, for either scheme. */
export interface Palette {
  readonly light: string;
  readonly dark: string;
}

const LIGHT = `
    --paper: #fbfbfa; --card: #ffffff; --ink: #1b1c1e; --ink-soft: #5b6069; --grid: #e4e5e8; --edge: #d9dbe0;
    --accent: #1f5fbf; --warn: #fff4d6;`;

const DARK = `
    --paper: #15171a; --card: #1d2024; --ink: #eceef1; --ink-soft: #a4abb6; --grid: #30343a; --edge: #363b42;
    --accent: #7db2ff; --warn: #3a3117;`;

export function baseStyle(own: Palette): string {
  return `
  :root { color-scheme: light dark; ${LIGHT}${own.light} }
  @media (prefers-color-scheme: dark) { :root { ${DARK}${own.dark} } }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
  main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
  h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; }
  h2 { font-size: 21px; margin: 44px 0 10px; }
  h3 { font-size: 17px; margin: 0 0 10px; }
  p { max-width: 76ch; margin: 8px 0; }
  ul { max-width: 84ch; padding-left: 22px; margin: 8px 0; }
  code { font: 0.9em ui-monospace, monospace; white-space: nowrap; }
  .meta, figcaption, .soft { color: var(--ink-soft); }
  .note { background: var(--warn); border-radius: 8px; padding: 10px 14px; max-width: none; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-size: 15px; font-variant-numeric: tabular-nums; }
  th, td { padding: 7px 10px; border-bottom: 1px solid var(--edge); text-align: right; vertical-align: top; }
  thead th { color: var(--ink-soft); font-weight: 600; font-size: 13px; vertical-align: bottom; }
  th:first-child, .words td, .words th { text-align: left; }
  tbody th { font-weight: 600; }
  tbody th, td { white-space: nowrap; } .words td { white-space: normal; }
  .choices { display: flex; flex-wrap: wrap; gap: 6px 22px; }
  fieldset { border: 0; margin: 0; padding: 0; display: flex; align-items: center; }
  legend { float: left; padding: 0 9px 0 0; font-size: 13px; color: var(--ink-soft); }
  fieldset label { cursor: pointer; }
  fieldset input { position: absolute; opacity: 0; }
  fieldset span { display: block; padding: 3px 11px; border: 1px solid var(--edge); font-size: 14px;
    margin-left: -1px; background: var(--card); white-space: nowrap; }
  fieldset label:first-of-type span { border-radius: 7px 0 0 7px; }
  fieldset label:last-of-type span { border-radius: 0 7px 7px 0; }
  fieldset input:checked + span { background: var(--accent); color: var(--card);
    border-color: var(--accent); }
  fieldset input:focus-visible + span { outline: 2px solid var(--ink); outline-offset: 1px; }
  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 20px;
    margin-top: 18px; }
  figure { margin: 0; padding: 18px 18px 14px; background: var(--card); border: 1px solid var(--edge);
    border-radius: 12px; min-width: 0; }
  figure.wide { grid-column: 1 / -1; }
  figcaption { font-size: 14px; margin-top: 10px; max-width: 90ch; }
  .u-legend { font-size: 13px; color: var(--ink); text-align: left; }
  .u-legend.u-inline tr { margin-right: 14px; }
  .u-legend th { border: 0; padding: 2px 0; font-weight: 500; }
  .u-legend td { border: 0; padding: 2px 0 2px 4px; }
  .u-legend .u-series:has(.u-value:empty) th::after { content: ''; }
  .u-legend .u-series:first-child:has(.u-value:empty) { display: none; }
  .u-legend .u-marker { border-radius: 3px; }
  details { margin-top: 14px; } summary { cursor: pointer; color: var(--accent); }
  @media (max-width: 700px) { main { padding: 20px 12px 48px; }
    .words tr, .words th, .words td { display: block; } .words tr { border-bottom: 1px solid var(--edge); }
    .words th, .words td { border: 0; padding: 3px 0; } }`;
}
