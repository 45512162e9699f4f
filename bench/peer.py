"""The peer of bench/faces and bench/encode: ONNX Runtime (npm: onnxruntime-node), a network alone.

It is used where Node.js finds it (`npm install --ignore-scripts onnxruntime-node` somewhere, and
NODE_PATH=.../node_modules); without it there is one word about that and no figure.
"""
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def onnxruntime(model, threads, runs, *extents):
    """{'runs_per_second', 'cpu_seconds' of a run, 'version'}, or None."""
    if not shutil.which('node'):
        return missing('Node.js')
    done = subprocess.run(['node', HERE + '/onnxruntime.js', model, str(threads), str(runs),
                           *map(str, extents)], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f'{os.path.basename(sys.argv[0])}: ONNX Runtime failed on {model}')
    said = json.loads(done.stdout)
    return missing(said['missing']) if 'missing' in said else said


def missing(what):
    if not missing.told:
        print(f'bench: {what} is not there: ONNX Runtime is skipped (bench/README.md)', file=sys.stderr)
    missing.told = True


missing.told = False


def open_batch(model, out):
    """A copy whose first extents are open; what the file says of extents within goes."""
    import onnx

    graph = onnx.load(model)
    for value in [*graph.graph.input, *graph.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = 'N'
    del graph.graph.value_info[:]
    onnx.save(graph, out)
    return out
