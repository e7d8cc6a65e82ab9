"""Runs one process's share: all contenders of the chosen cases on one number of threads.

The starter of this process sets its environment and the processors it may use.
"""

import argparse
from dataclasses import asdict, replace
import gc
import json
import os
from pathlib import Path
import platform
import sys
from types import ModuleType

import peer_ggml
import peer_jax
import peer_onnxruntime
import peer_openvino
import peer_torch
from cases import Case, all_cases
from own import KERNEL_FILES, BuildError, Library
from problem import Contender, Problem, Unsupported, make_problem
from reference import Agreement, compare, expected
from timing import Spread, take_turns

PEERS = [peer_torch, peer_jax, peer_onnxruntime, peer_openvino]

# Products with weights in blocks: JAX has none, ggml nothing else.
BLOCK_PEERS = [peer_torch, peer_onnxruntime, peer_openvino, peer_ggml]


def peers_for(group: str) -> list[ModuleType]:
    return BLOCK_PEERS if group == "blocks" else PEERS


def measure(case: Case, library: Library, threads: int, rounds: int, seconds: float) -> dict:
    """One row: every contender's times and agreement, and who is missing and why."""
    problem = make_problem(case)
    own = library.contenders(problem)
    peers, missing = peers_of(problem, threads)
    agreements = agreement(problem, case.operation.name, own)
    agreements += agreement(problem, case.operation.peers, peers)
    bare: list[Contender] = []
    if case.bare:
        bare_problem = make_problem(case.bare)
        bare, _ = peers_of(bare_problem, threads)
        agreements += agreement(bare_problem, case.bare.operation.name, bare)
        bare = [replace(contender, role="bare") for contender in bare]
    found = own + peers + bare
    # With several threads, those that wait for work spin for a while, in everybody's way.
    pause = 0.0 if threads == 1 else 0.01
    times = take_turns(found, rounds, seconds, pause)
    return {
        "key": case.key,
        "missing": missing,
        "contenders": [
            {
                "name": contender.name,
                "role": contender.role,
                "seconds": asdict(Spread.of(values)),
                # Its time by ours, if we have a kernel.
                "ratio": asdict(Spread.of_ratio(values, times[0])) if own else None,
                "error_units": agreed.units,
                "part_of_bound": agreed.part_of_bound,
            }
            for contender, values, agreed in zip(found, times, agreements)
        ],
    }


def peers_of(problem: Problem, threads: int) -> tuple[list[Contender], dict[str, str]]:
    """All peers that can compute a problem, and why the others cannot."""
    found: list[Contender] = []
    missing: dict[str, str] = {}
    for peer in peers_for(problem.case.operation.group):
        try:
            found += peer.contenders(problem, threads)
        except Unsupported as error:
            missing[peer.VERSION] = str(error)
    return found, missing


def agreement(
    problem: Problem, operation: str, contenders: list[Contender]
) -> list[Agreement]:
    """How each contender's outputs agree with what an operation must give."""
    if not contenders:
        return []
    wanted = {
        rows_as: expected(problem, operation, rows_as)
        for rows_as in dict.fromkeys(contender.rows_as for contender in contenders)}
    return [
        compare(problem.case, contender.results(), wanted[contender.rows_as])
        for contender in contenders]


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
    parser.add_argument("--ggml", type=Path, help="the library of peer_ggml.py, if it was built")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.output.parent.is_dir():
        sys.exit(f"error: {arguments.output}: the folder does not exist")
    threads: int = arguments.threads
    try:
        files = KERNEL_FILES[arguments.group]
        gradients = {
            case.kernel: [
                name.removeprefix("d_") for tensor in case.outputs
                if (name := tensor.name).startswith("d_")]
            for case in all_cases() if case.operation.group == arguments.group == "gradients"
        }
        library = Library(arguments.normgen, arguments.folder, threads, files, gradients)
    except BuildError as error:
        sys.exit(f"error: {error}")
    peers = peers_for(arguments.group)
    if arguments.ggml is not None:
        peer_ggml.load(arguments.ggml)
    for peer in peers:
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
        "peers": [peer.VERSION for peer in peers],
        "rows": rows,
    }
    arguments.output.write_text(json.dumps(run, indent=1))


if __name__ == "__main__":
    main()
