"""Records y.npy, q.npy and d.npy for the x.npy and w.npy beside this file.

It builds ggml's CPU backend from the source package llama-cpp-python 0.3.36 (ggml 0.25.3) for AVX2,
without AVX-512 and VNNI, and runs record.cpp. It needs numpy, cmake, g++ and pip:

    python3 record.py SOME_EMPTY_FOLDER

x.npy is f32 [5, 256]: rows of very different scales, with blocks of zeros, one huge element, exact ties, a
negative extreme, scales that are denormal in f16. w.npy is u8 [24, 144], the bytes of q4_0 [24, 256], with
scales of both signs, denormal, zero and the greatest, and integers at both ends.
"""

import pathlib
import subprocess
import sys

import numpy as np

VERSION = "0.3.36"
FLAGS = """-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_STATIC=OFF -DGGML_NATIVE=OFF
-DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX512=OFF
-DGGML_AVX_VNNI=OFF -DGGML_OPENMP=OFF -DGGML_CPU_REPACK=ON -DGGML_BUILD_TESTS=OFF
-DGGML_BUILD_EXAMPLES=OFF""".split()


def main(folder: pathlib.Path) -> None:
    def run(*arguments: object) -> None:
        subprocess.run([str(argument) for argument in arguments], cwd=folder, check=True)

    here = pathlib.Path(__file__).resolve().parent
    run("pip", "download", "--no-binary", "llama-cpp-python", "--no-deps", f"llama-cpp-python=={VERSION}")
    run("tar", "xzf", f"llama_cpp_python-{VERSION}.tar.gz")
    ggml = folder / f"llama_cpp_python-{VERSION}/vendor/llama.cpp/ggml"
    # The package lacks a file that a build of ggml alone reads.
    (folder / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.14)\nproject(record C CXX)\nadd_subdirectory({ggml} ggml)\n"
    )
    run("cmake", "-S", ".", "-B", "build", *FLAGS)
    run("cmake", "--build", "build", "--target", "ggml-base", "ggml-cpu", "ggml")
    libraries = [folder / f"build/ggml/src/lib{name}.a" for name in ("ggml", "ggml-cpu", "ggml-base")]
    includes = [f"-I{ggml / place}" for place in ("include", "src", "src/ggml-cpu")]
    run("g++", "-std=c++17", "-O2", "-mavx2", "-mfma", "-mf16c", *includes, here / "record.cpp",
        "-o", "record", *libraries, "-lpthread", "-ldl", "-lm")  # fmt: skip

    w, x = np.load(here / "w.npy"), np.load(here / "x.npy")
    columns, (rows, terms) = w.shape[0], x.shape
    w.tofile(folder / "w.bin")
    x.tofile(folder / "x.f32")
    run("./record", columns, terms, rows, "w.bin", "x.f32", "y.f32", "q.i8", "d.f16")
    np.save(here / "y.npy", np.fromfile(folder / "y.f32", "<f4").reshape(rows, columns))
    np.save(here / "q.npy", np.fromfile(folder / "q.i8", "i1").reshape(rows, terms))
    np.save(here / "d.npy", np.fromfile(folder / "d.f16", "<f2").reshape(rows, terms // 32))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
