/** The style sheet of the status page, over that of all pages. */
import { baseStyle } from '../web/base-style.ts';

const LINE_COLOURS = {
  light: '--blue: #1f6fd1; --orange: #d9541e; --green: #178a5b; --violet: #6d4ab8; --red: #c02b2b;',
  dark: '--blue: #5aa2ff; --orange: #ff8a50; --green: #3fc78b; --violet: #b79bff; --red: #ff7b72;',
};

export const PAGE_STYLE = `${baseStyle(LINE_COLOURS)}
  main { max-width: 1320px; }
  header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 18px; }
  header .meta { margin: 0; }
  .state { font-size: 14px; font-weight: 600; border-radius: 20px; padding: 2px 12px; color: var(--card);
    background: var(--green); }
  .state.bad { background: var(--red); }
  .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(136px, 1fr)); gap: 12px;
    margin: 18px 0; }
  .tile { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; padding: 12px 16px; }
  .tile b { display: block; font-size: 22px; line-height: 1.25; font-variant-numeric: tabular-nums; }
  .tile span { font-size: 13px; color: var(--ink-soft); }
  .charts { grid-template-columns: repeat(auto-fit, minmax(min(290px, 100%), 1fr)); gap: 14px; }
  figure { padding: 14px 14px 10px; } figure h3 { font-size: 15px; margin: 0 0 4px; }
  figcaption { font-size: 13px; margin-top: 4px; }
  .plot { min-height: 230px; overflow: hidden; } 
  .plot.empty { color: var(--ink-soft); font-size: 14px; padding-top: 20px; }
  h2 { margin: 34px 0 8px; }
  table { font-size: 14px; } th, td { padding: 5px 10px; } td:first-child { text-align: left; }
  .left, .left th, .left td { text-align: left; }
  td.text { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; }
  tbody tr.key { cursor: pointer; } tbody tr.key:hover, tr.key:focus-within { background: var(--card); }
  form { display: flex; flex-wrap: wrap; gap: 8px 12px; margin: 10px 0; align-items: center; }
  form input, form select, button { font: 15px system-ui, sans-serif; color: var(--ink);
    background: var(--card); border: 1px solid var(--edge); border-radius: 7px; padding: 5px 10px; }
  form input { min-width: min(300px, 60vw); }
  button { cursor: pointer; } button:disabled { opacity: 0.5; cursor: default; }
  button.plain { border: 0; background: none; padding: 0; color: var(--accent); text-align: left;
    font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
  .list { max-height: 420px; overflow: auto; border-bottom: 1px solid var(--edge); }
  .list thead th { position: sticky; top: 0; background: var(--paper); }
  [hidden] { display: none !important; }
`;
