/** The real file operations of ACL LOAD and ACL SAVE. */
import { readFileSync } from 'node:fs';
import { NODE_REWRITE_FILES } from '../config/rewrite-files.ts';
import { replaceFile } from '../config/rewrite.ts';
import type { AccessFiles } from '../engine/acl/access-control.ts';

export const NODE_ACCESS_FILES: AccessFiles = {
  read: (path) => readFileSync(path),
  replace: (path, bytes) => replaceFile(path, bytes, NODE_REWRITE_FILES),
};
