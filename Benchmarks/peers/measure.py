"""Runs one process's share: all contenders of the chosen cases on one number of threads.

The starter of this process sets its environment and the processors it may use.
"""

import argparse
from dataclasses import asdict
import gc
import json
import os
from pathlib import Path
import platform
import sys

import peer_jax
import peer_onnxruntime
import peer_openvino
import peer_torch
from cases import Case, all_cases
from own import KERNEL_FILES, BuildError, Library
from problem import Contender, Unsupported, make_problem
from reference import compare, expected
from timing import Spread, take_turns

PEERS = [peer_torch, peer_jax, peer_onnxruntime, peer_openvino]


def measure(case: Case, library: Library, threads: int, rounds: int, seconds: float) -> dict:
    """One row: every contender's times and agreement, and who is missing and why."""
    problem = make_problem(case)
    found: list[Contender] = library.contenders(problem) if library.has(case) else []
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            found += peer.contenders(problem, threads)
        except Unsupported as error:
            missing[peer.VERSION] = str(error)
    wanted = expected(problem, case.operation.peers)
    own_wanted = wanted
    if case.operation.peers != case.operation.name:
        own_wanted = expected(problem, case.operation.name)
    agreements = [
        compare(case, contender.results(), wanted if contender.is_peer else own_wanted)
        for contender in found
    ]
    del wanted, own_wanted
    pause = 0.0 if threads == 1 else 0.01
    times = take_turns(found, rounds, seconds, pause)
    return {
        "key": case.key,
        "missing": missing,
        "contenders": [
            {
                "name": contender.name,
                "is_peer": contender.is_peer,
                "seconds": asdict(Spread.of(values)),
                "rounds": values,
                "error_units": agreement.units,
                "part_of_bound": agreement.part_of_bound,
            }
            for contender, values, agreement in zip(found, times, agreements)
        ],
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--normgen", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    threads: int = arguments.threads
    try:
        files = KERNEL_FILES[arguments.group]
        library = Library(arguments.normgen, arguments.folder, threads, files)
    except BuildError as error:
        sys.exit(f"error: {error}")
    for peer in PEERS:
        peer.start(threads)
    rows = []
    for case in all_cases():
        if case.operation.group != arguments.group or arguments.only not in case.key:
            continue
        row = measure(case, library, threads, arguments.rounds, arguments.seconds)
        rows.append(row)
        times = ", ".join(
            f"{c['name']} {c['seconds']['median'] * 1e6:.2f}" for c in row["contenders"])
        print(f"{case.key}, {threads} threads, µs: {times}", flush=True)
        gc.collect()
    run = {
        "group": arguments.group,
        "threads": threads,
        "rounds": arguments.rounds,
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "target": library.target,
        "compiler": library.command,
        "peers": [peer.VERSION for peer in PEERS],
        "rows": rows,
    }
    arguments.output.write_text(json.dumps(run, indent=1))


if __name__ == "__main__":
    main()
