#!/usr/bin/env node
/**
 * The entry point. The serving thread is started first: it loads its code while this thread loads its own and
 * reads the configuration.
 */
import { startServingWorker } from './servers/serving-worker.ts';

/** Runs that end without serving. */
const ONLY_TELLS = /^(-h|--help|-v|--version|check-rdb|check-aof|convert|doctor|compare)$/;

const args = process.argv.slice(2);
const worker = ONLY_TELLS.test(args[0] ?? '') ? undefined : startServingWorker();
const { runProgram } = await import('./program.ts');
await runProgram(args, worker);
