"""Compares our kernels with the norms of PyTorch, transformers and ONNX, whose names presets have.

Writes RESULTS.md and ends with status 1 if anything that is asked does not hold. `judge.py` says what
is asked.
"""

import argparse
import os
from pathlib import Path
import pickle
import subprocess
import sys
import time

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "Support"))

import outputs  # noqa: E402
from collect import FRAMEWORKS  # noqa: E402
from judge import Judge, Verdict  # noqa: E402
import node_tests  # noqa: E402
from own import BuildError, Tool  # noqa: E402
from record import write_record  # noqa: E402
from report import Row, markdown  # noqa: E402


def collected(framework: str, seed: int, folder: Path) -> list:
    """A framework's cases, from a process of its own."""
    file = folder / f"{framework}.pickle"
    command = [sys.executable, str(HERE / "collect.py"), framework, str(seed), str(file)]
    environment = os.environ | FRAMEWORKS[framework][1]
    if subprocess.run(command, env=environment).returncode != 0:
        sys.exit(f"error: {framework} did not run")
    return pickle.loads(file.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(prog="Tests/Conformance/run.sh", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where everything is built")
    parser.add_argument(
        "--normgen", type=Path, default=ROOT / ".build/release/normgen", help="the tool")
    parser.add_argument("--seed", type=int, default=1, help="of the inputs")
    parser.add_argument(
        "--only", nargs="*", default=list(FRAMEWORKS), choices=list(FRAMEWORKS),
        help="frameworks; without all of them RESULTS.md is not written")
    parser.add_argument(
        "--record", action="store_true", help="also write the vectors that `make test` replays")
    arguments = parser.parse_args()

    outputs.check(arguments.folder / "a-framework.pickle")
    outputs.check_program(arguments.normgen)
    if arguments.only == list(FRAMEWORKS):
        outputs.check(HERE / "RESULTS.md")
    if arguments.record:
        recorded_folder = HERE / "recorded"
        outputs.check(
            recorded_folder / "a.safetensors" if recorded_folder.exists() else recorded_folder)
    started = time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    tool = Tool(arguments.normgen, arguments.folder)
    rows: dict[tuple, Row] = {}
    failures: list[str] = []
    nodes: dict[str, node_tests.NodeVerdict] = {}
    recorded = []
    build = ""
    for framework in arguments.only:
        cases = collected(framework, arguments.seed, arguments.folder)
        if framework == "onnx-nodes":
            nodes, missed = node_tests.verdicts(tool, cases)
        else:
            judge = Judge(tool, framework, cases)
            build = f"{judge.target}, {Path(judge.compiler).name}"
            missed = []
            for index, (case, verdict) in enumerate(zip(cases, judge.verdicts())):
                row = rows.setdefault(Row.key(case), Row.of(case))
                row.cases += 1
                row.verdict.add(verdict)
                missed += verdict.failures
                if arguments.record and not verdict.failures:
                    recorded.append((case, judge, index))
        failures += missed
        seconds = time.monotonic() - started
        state = f"{len(missed)} failures" if missed else "as asked"
        print(f"{framework}: {len(cases)} cases, {state} ({seconds:.0f} s)", flush=True)
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    if arguments.only == list(FRAMEWORKS):
        text = markdown(list(rows.values()), nodes, arguments.seed, build, len(failures))
        pending = HERE / ".RESULTS.md.tmp"
        pending.write_text(text)
        pending.replace(HERE / "RESULTS.md")
        print(f"wrote {HERE.relative_to(ROOT)}/RESULTS.md", flush=True)
    if arguments.record:
        for file in write_record(HERE / "recorded", recorded):
            print(f"wrote {file.relative_to(ROOT)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except BuildError as error:
        sys.exit(f"error: {error}")
