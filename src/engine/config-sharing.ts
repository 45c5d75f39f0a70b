/**
 * The configuration as all threads share it: one text in the arena, and a version that tells when it has
 * changed.
 */
import { Config } from '../config/config.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_CONFIG_VERSION, CONTROL_ROOT_CONFIG } from '../memory/control-block.ts';
import { byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';

/** Publishes this thread's configuration to the others. Under the lock. */
export function publishConfig(allocator: Allocator, config: Config): number {
  const { arena } = allocator;
  const text = Buffer.from(config.serialize(), 'utf8');
  const block = allocator.allocate(4 + text.length);
  setWord(arena, block, 0, text.length);
  bytesOf(arena, block).set(text, byteOffset(block) + 4);
  const old = arena.control[CONTROL_ROOT_CONFIG]!;
  if (old !== 0) allocator.free(old);
  arena.control[CONTROL_ROOT_CONFIG] = block;
  arena.control[CONTROL_CONFIG_VERSION] = arena.control[CONTROL_CONFIG_VERSION]! + 1;
  return arena.control[CONTROL_CONFIG_VERSION]!;
}

/** Takes over what another thread has published. Under the lock. */
export function adoptConfig(allocator: Allocator, config: Config): number {
  config.load(publishedText(allocator));
  return allocator.arena.control[CONTROL_CONFIG_VERSION]!;
}

/** What all threads go by while this one is about to change it. Under the lock. */
export function publishedConfig(allocator: Allocator): Config {
  const config = new Config();
  config.load(publishedText(allocator));
  return config;
}

function publishedText({ arena }: Allocator): string {
  const block = arena.control[CONTROL_ROOT_CONFIG]!;
  const start = byteOffset(block) + 4;
  return Buffer.from(bytesOf(arena, block).slice(start, start + getWord(arena, block, 0))).toString('utf8');
}
