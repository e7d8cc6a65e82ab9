"""Compares our kernels with PyTorch, JAX, ONNX Runtime, OpenVINO and ggml on this machine.

Each group of cases runs in one process for each number of threads, all contenders in turns. A run
replaces the earlier one of the same group and threads in results.json, from which RESULTS.md and
the plots are written.
"""

import argparse
import json
import os
from pathlib import Path
import subprocess
import sys

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "Support"))

import outputs  # noqa: E402
from ggml_build import GgmlError, ggml_library  # noqa: E402

GROUPS = ["norms", "quantized", "gradients", "matmuls", "blocks"]


def environment(folder: Path, threads: int) -> dict[str, str]:
    """What peers read before they start, for their best."""
    return os.environ | {
        "OMP_NUM_THREADS": str(threads),
        # Freed memory stays with the process: peers that return fresh outputs get touched pages.
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
        "MALLOC_ARENA_MAX": "1",
        # Compiled code of an earlier run is used again.
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "OPENVINO_TELEMETRY": "0",
    }


def run(arguments: argparse.Namespace, group: str, threads: int) -> dict:
    """One group on so many threads, in a process of its own."""
    folder: Path = arguments.folder
    output = folder / f"{group}-{threads}.json"
    output.unlink(missing_ok=True)
    # The last processors: the first one serves most of the system's interrupts.
    chosen = sorted(os.sched_getaffinity(0))[-threads:]
    command = [
        sys.executable, str(HERE / "measure.py"), "--group", group, "--threads", str(threads),
        "--normgen", str(arguments.normgen), "--folder", str(folder),
        "--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds),
        "--only", arguments.only, "--output", str(output),
    ]
    if group == "blocks":
        try:
            command += ["--ggml", str(ggml_library(folder / "ggml"))]
        except GgmlError as error:
            print(f"ggml is left out: {error}", file=sys.stderr)
    done = subprocess.run(
        command, env=environment(folder, threads),
        preexec_fn=lambda: os.sched_setaffinity(0, chosen))
    if done.returncode != 0:
        sys.exit(f"error: the run of {group} on {threads} threads failed ({done.returncode})")
    return json.loads(output.read_text())


def replaced(runs: list[dict], new: dict) -> list[dict]:
    """The runs with `new` in place of the one of its group and threads, in order."""
    kept = [r for r in runs if (r["group"], r["threads"]) != (new["group"], new["threads"])]
    return sorted([*kept, new], key=lambda r: (GROUPS.index(r["group"]), r["threads"]))


def write(path: Path, text: str) -> None:
    """Writes beside the file, then renames, so that the file is never half-written."""
    pending = path.with_name(path.name + ".pending")
    pending.write_text(text)
    pending.replace(path)


def check(arguments: argparse.Namespace) -> None:
    """Ends the process, before anything is measured, if the run could not end well."""
    if not arguments.only:
        kept: Path = arguments.results / "results.json"
        plots = [arguments.results / f"{group}.svg" for group in GROUPS]
        outputs.check(kept, arguments.results / "RESULTS.md", *plots)
        if arguments.report and not kept.exists():
            sys.exit(f"error: there are no results in {kept} to report")
    if arguments.report:
        return
    outputs.check_program(arguments.normgen)
    outputs.check(
        *(arguments.folder / f"{group}-{threads}.json"
          for group in arguments.group for threads in arguments.threads))
    available = len(os.sched_getaffinity(0))
    if available < (most := max(arguments.threads)):
        sys.exit(f"error: {most} threads need {most} processors, found {available}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    parser.add_argument("--group", choices=GROUPS, nargs="+", default=GROUPS)
    parser.add_argument("--threads", type=outputs.number_from(1, int), nargs="+", default=[1, 2])
    parser.add_argument(
        "--rounds", type=outputs.number_from(1, int), default=21, help="turns of each contender")
    parser.add_argument(
        "--seconds", type=outputs.number_from(0, float), default=0.01,
        help="least time of one sample")
    parser.add_argument(
        "--only", default="", metavar="TEXT",
        help="only cases whose name contains it; the results are printed, not kept")
    parser.add_argument("--report", action="store_true", help="write the report again, measure nothing")
    parser.add_argument("--normgen", type=Path, default=ROOT / ".build/release/normgen")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build-peers")
    parser.add_argument("--results", type=Path, default=HERE, help="where results are kept")
    arguments = parser.parse_args()
    check(arguments)
    # They load matplotlib, which the checks do not need.
    from plot import write_plots
    from report import markdown

    if arguments.only:
        measured = [
            run(arguments, group, threads)
            for group in arguments.group for threads in arguments.threads
        ]
        print(markdown(measured))
        return report_wrong(measured)

    kept = arguments.results / "results.json"
    runs: list[dict] = json.loads(kept.read_text()) if kept.exists() else []
    if not arguments.report:
        for group in arguments.group:
            for threads in arguments.threads:
                runs = replaced(runs, run(arguments, group, threads))
                write(kept, json.dumps(runs, indent=0) + "\n")
    text = markdown(runs)
    write(arguments.results / "RESULTS.md", text)
    write_plots(runs, arguments.results)
    print(text)
    return report_wrong(runs)


def report_wrong(runs: list[dict]) -> int:
    """1 if a kernel of ours gave a wrong result, and says so; else 0."""
    wrong = [
        f"{row['key']}, {each['name']}"
        for measured in runs for row in measured["rows"] for each in row["contenders"]
        if each["role"] == "own" and each["part_of_bound"] > 1
    ]
    if wrong:
        print("error: beyond the bound: " + "; ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
