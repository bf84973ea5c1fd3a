"""The benchmarks, in one table: a figure is a ratio in one run, the median of three."""

import argparse
import json
import statistics
import subprocess
import sys

from tests.bench import (array, array_run, bulk, follow, footprint, growth, kubernetes_array, kubernetes_memory,
                         kubernetes_polling, kubernetes_submit, kubernetes_watch, list as list_page, local, read,
                         slurm_array, slurm_latency, slurm_polling, slurm_submit, submit, tasks)
from tests.bench.world import World
from tests.harness import system

BENCHMARKS = {
    "submit": submit,
    "bulk": bulk,
    "read": read,
    "list": list_page,
    "growth": growth,
    "local": local,
    "footprint": footprint,
    "follow": follow,
    "array": array,
    "array-run": array_run,
    "tasks": tasks,
    "slurm-submit": slurm_submit,
    "slurm-polling": slurm_polling,
    "slurm-latency": slurm_latency,
    "slurm-array": slurm_array,
}
# Only if named: where the cluster's programs are not built yet, that takes a quarter of an hour.
ONLY_NAMED = {
    "kubernetes-submit": kubernetes_submit,
    "kubernetes-watch": kubernetes_watch,
    "kubernetes-polling": kubernetes_polling,
    "kubernetes-memory": kubernetes_memory,
    "kubernetes-array": kubernetes_array,
}
ALL = BENCHMARKS | ONLY_NAMED


def build():
    preset = "release"
    for step in (["cmake", "--preset", preset, "-DPython3_EXECUTABLE=/usr/bin/python3"],
                 ["cmake", "--build", "--preset", preset]):
        done = subprocess.run(step, cwd=system.ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"the build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return system.ROOT / "build" / preset


def table(name, module, runs, medians):
    print(f"\n{name}: {module.__doc__.strip().splitlines()[0]}")
    print(f"  reference: {module.REFERENCE}")
    width = max(len(key) for run in runs for key in run)
    for key in runs[0]:
        values = "  ".join(f"{run[key]:>12,.3f}" for run in runs)
        goal = module.GOALS.get(key)
        aim = f"  (aim {goal})" if goal else ""
        print(f"  {key:{width}}  {values}   median {medians[key]:,.3f}{aim}")


def measure(name, options, binaries):
    module = ALL[name]
    count = 1 if options.smoke else 3
    with World(binaries, smoke=options.smoke, full=options.full) as world:
        module.prepare(world)
        runs = [module.run(world) for _ in range(count)]
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    if not options.json:
        table(name, module, runs, medians)
    figures = {key: round(medians[key], 4) for key in module.GOALS}
    print(json.dumps({"name": name, "figures": figures, "reference": module.REFERENCE, "runs": count}), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures jobgate beside a reference.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--json", action="store_true", help="only the JSON lines")
    parser.add_argument("--full", action="store_true", help="the larger sizes")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: that it works, not how fast")
    options = parser.parse_args()
    unknown = set(options.names) - set(ALL)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))} (there are {', '.join(ALL)})")
    binaries = build()
    for name in options.names or BENCHMARKS:
        measure(name, options, binaries)


if __name__ == "__main__":
    main()
