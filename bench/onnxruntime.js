// The peer of bench/faces and bench/encode: a network alone in ONNX Runtime
// (npm: onnxruntime-node), on random input. One JSON object.
//
//   node onnxruntime.js MODEL THREADS RUNS EXTENT...     the input's extents
//
// Of a network that takes long, as many of the runs as fit in four seconds, three at least.
'use strict';
let ort;
try {
  ort = require('onnxruntime-node');
} catch (error) {
  console.log(JSON.stringify({missing: 'onnxruntime-node'}));
  process.exit(0);
}

async function main() {
  const [model, threads, runs, ...extents] = process.argv.slice(2);
  const shape = extents.map(Number);
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential',
    graphOptimizationLevel: 'all', logSeverityLevel: 3,
  });
  const data = Float32Array.from({length: shape.reduce((a, b) => a * b, 1)},
                                 (_, i) => (i * 2654435761 % 255) - 127);
  const feeds = {[session.inputNames[0]]: new ort.Tensor('float32', data, shape)};
  const times = [];
  const cpus = [];
  const late = process.hrtime.bigint() + 4000000000n;
  for (let i = 0; i < Number(runs) + 2 && (i < 5 || process.hrtime.bigint() < late); i++) {
    const started = process.hrtime.bigint();
    const cpu = process.cpuUsage();
    await session.run(feeds);
    if (i < 2) continue;
    times.push(Number(process.hrtime.bigint() - started) / 1e9);
    const used = process.cpuUsage(cpu);
    cpus.push((used.user + used.system) / 1e6);
  }
  times.sort((a, b) => a - b);
  cpus.sort((a, b) => a - b);
  console.log(JSON.stringify({
    runs_per_second: 1 / times[times.length >> 1],
    cpu_seconds: cpus[cpus.length >> 1],
    version: require('onnxruntime-node/package.json').version,
  }));
}

main();
