/** Prometheus' own checker of metrics: Debian's package `prometheus` has it. */
import { spawnSync } from 'node:child_process';

/** For `skip` of a test that needs it: false, or the reason. CI sets REQUIRE_PROMTOOL where it was installed. */
export function promtoolSkipReason(): string | false {
  if (spawnSync('promtool', ['--version']).status === 0) return false;
  if (process.env['REQUIRE_PROMTOOL']) throw new Error('REQUIRE_PROMTOOL is set and there is no promtool');
  return 'promtool is not installed (Debian: apt install prometheus)';
}

/** What `promtool check metrics` has to say against a page of metrics; empty for nothing. */
export function promtoolComplaints(metrics: string): string {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: metrics,
    encoding: 'utf8',
  });
  return status === 0 ? `${stdout}${stderr}` : `exit code ${status}: ${stdout}${stderr}`;
}
