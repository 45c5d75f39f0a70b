/** Clients that wait are served exactly once each, in order: on every implementation, Redis among them. */
import { onEveryImplementation, startFor } from '../support/implementations.ts';
import { queueWorkers } from './queue-workers.ts';

const SEED = 20_261_123;

onEveryImplementation('many clients wait for overlapping keys', async (implementation, context) => {
  const server = await startFor(context, implementation);
  // A thread per client takes memory for each.
  const workerCount = implementation.isThreadPerClient ? 30 : 300;
  await queueWorkers(server, { workerCount, producerCount: 10, elementsPerProducer: 200, seed: SEED });
});
