import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressText, tableText } from './terminal.ts';

const half = { doneMillis: 500, totalMillis: 1000, elapsedMillis: 70_000, label: 'working', columns: 200 };

test('a table aligns words to the left and numbers to the right', () => {
  const rows = [
    { name: 'a', count: 5, state: '12' },
    { name: 'long', count: 1234, state: 'none' },
  ];
  const expected = [
    '',
    'Title',
    'name  count  state',
    '----  -----  -----',
    'a         5  12',
    'long   1234  none',
  ];
  assert.equal(tableText('Title', rows), expected.join('\n'));
});

test('the progress bar shows the share and the time that is left', () => {
  const text = `[${'#'.repeat(15)}${'.'.repeat(15)}]  50 %  1:10 left  working`;
  assert.equal(progressText(half), text);
});

test('the progress bar knows no time left at the start, and never passes its end', () => {
  assert.equal(progressText({ ...half, doneMillis: 0 }), `[${'.'.repeat(30)}]   0 %  working`);
  assert.match(progressText({ ...half, doneMillis: 5000 }), /^\[#{30}\] 100 % {2}0:00 left/);
});

test('the progress bar fits on the line', () => {
  assert.equal(progressText({ ...half, columns: 20 }).length, 19);
});
