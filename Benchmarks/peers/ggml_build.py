"""Builds ggml for this processor, from a source package that brings llama.cpp's version of it."""

import os
from pathlib import Path
import shlex
import shutil
import subprocess
import sys
import tarfile

HERE = Path(__file__).parent

PACKAGE = "llama-cpp-python"
PACKAGE_VERSION = "0.3.36"
GGML_VERSION = "0.25.3"

# Where ggml lies in the package.
SOURCES = f"llama_cpp_python-{PACKAGE_VERSION}/vendor/llama.cpp/ggml"


class GgmlError(Exception):
    """ggml cannot be built here; the message says why."""


def ggml_library(folder: Path) -> Path:
    """The shared library in `folder`, built if it is not there yet or its sources here changed."""
    cmake = _program("cmake")
    if not any(shutil.which(name) for name in [os.environ.get("CXX", "c++"), "g++", "clang++"]):
        raise GgmlError("expected a C++ compiler, CXX, c++, g++ or clang++, in PATH")
    folder.mkdir(parents=True, exist_ok=True)
    sources = folder / SOURCES
    if not (sources / "CMakeLists.txt").exists():
        _fetch(folder)
    build = folder / "build"
    _run([cmake, "-S", str(HERE / "ggml"), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release",
          f"-DGGML={sources}"])
    print("building ggml; some minutes the first time", file=sys.stderr, flush=True)
    jobs = str(len(os.sched_getaffinity(0)))
    _run([cmake, "--build", str(build), "--target", "peer_ggml", "-j", jobs])
    return build / "libpeer_ggml.so"


def _program(name: str) -> str:
    """A program of the environment's packages, or of the system."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise GgmlError(f"expected {name}, in the Python environment or in PATH")
    return found


def _fetch(folder: Path) -> None:
    """Gets the source package and unpacks ggml."""
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE,
          "-d", str(folder), f"{PACKAGE}=={PACKAGE_VERSION}"])
    archive = folder / f"llama_cpp_python-{PACKAGE_VERSION}.tar.gz"
    # Beside its place first, so that an interrupted unpacking begins again.
    pending = folder / "pending"
    shutil.rmtree(pending, ignore_errors=True)
    with tarfile.open(archive) as package:
        members = [m for m in package.getmembers() if m.name.startswith(f"{SOURCES}/")]
        package.extractall(pending, members, filter="data")
    (folder / SOURCES).parent.mkdir(parents=True, exist_ok=True)
    (pending / SOURCES).replace(folder / SOURCES)
    shutil.rmtree(pending)
    archive.unlink()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-20:])
        raise GgmlError(f"{shlex.join(command)} failed:\n{last}")
