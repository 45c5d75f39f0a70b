/** The style sheet of the report, over that of all pages. */
import { baseStyle } from '../web/base-style.ts';

const SERVER_COLOURS = {
  light: '--eventloop: #1f6fd1; --threaded: #d9541e; --pool: #178a5b; --redis: #6d4ab8;',
  dark: '--eventloop: #5aa2ff; --threaded: #ff8a50; --pool: #3fc78b; --redis: #b79bff;',
};

export const REPORT_STYLE = `${baseStyle(SERVER_COLOURS)}
  .swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 8px; }
  .swatch.eventloop { background: var(--eventloop); } .swatch.threaded { background: var(--threaded); }
  .swatch.pool { background: var(--pool); } .swatch.redis { background: var(--redis); }
  #choices { position: sticky; top: 0; z-index: 5; background: var(--paper); padding: 10px 0;
    border-bottom: 1px solid var(--edge); }
  .plot { min-height: 300px; }
  @media (max-width: 700px) { #choices { position: static; } }
`;
