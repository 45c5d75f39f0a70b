/** Parts of pages that hold all they need: scripts and styles stand in the page itself. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

const RELATIVE_IMPORT = /^import \{[^}]*\} from '(\.[^']+)';$/gm;
const EXPORT = /^export (?=(async )?function |const |let |class )/gm;
const NO_EXPORTS = /^export \{\};$/gm;
const SOURCE_MAP = /^\/\/# sourceMappingURL=.*$/gm;

/**
 * A compiled module of ours, with those that it imports in front: one script. All names at the top level
 * become one scope, so modules for the browser must not share any.
 */
export function inlineScript(url: URL, included = new Set<string>()): string {
  included.add(url.href);
  const imported: string[] = [];
  const own = readFileSync(url, 'utf8').replace(RELATIVE_IMPORT, (_, specifier: string) => {
    const from = new URL(specifier, url);
    if (!included.has(from.href)) imported.push(inlineScript(from, included));
    return '';
  });
  imported.push(own.replace(EXPORT, '').replace(NO_EXPORTS, '').replace(SOURCE_MAP, ''));
  return imported.join('\n').trim();
}

export function chartLibraryScript(): string {
  return installedText(require.resolve('uplot/dist/uPlot.iife.min.js'));
}

export function chartLibraryStyle(): string {
  return installedText(require.resolve('uplot/dist/uPlot.min.css'));
}

/** A file of a package that was installed with this program. */
function installedText(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
