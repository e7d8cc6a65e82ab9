# make run    sets up what is missing, builds, and shows a kernel at work
# make test   sets up what the tests need and runs all checks, the same as CI
# make peers  times our kernels beside PyTorch, JAX, ONNX Runtime, OpenVINO, ggml; 45 minutes
# make conformance  compares presets with the norms of PyTorch, transformers and ONNX; 3 minutes
#
# Set-up is for Debian 12 with Swift 6.2 or later, as root or with sudo.

export NORMGEN_LLVM ?= 19

STEP := Support/step.sh
SWIFT_FILES := Sources Tests Templates Package.swift
TEST_BUILD := .build-test
TEST_FLAGS := -c release -Xswiftc -enable-testing --scratch-path $(TEST_BUILD)

.PHONY: run test peers conformance

run:
	@$(STEP) "set-up" Support/setup.sh run
	@$(STEP) "build" swift build -c release --product normgen
	@.build/release/normgen demo

# Warnings are errors here, as in CI.
test: export NORMGEN_STRICT ?= 1
test:
	@$(STEP) "set-up" Support/setup.sh test
	@$(STEP) "format" swift format lint --strict --parallel --recursive $(SWIFT_FILES)
	@$(STEP) "build" swift build --build-tests $(TEST_FLAGS)
	@$(STEP) "tests" swift test --skip-build $(TEST_FLAGS)
	@$(STEP) "committed kernels: as emitted" $(TEST_BUILD)/release/normgen verify-generated
	@$(STEP) "committed kernels: compilers" python3 Tests/GeneratedTests/check.py Generated
	@$(STEP) "templates" python3 Tests/TemplateTests/check.py
	@$(STEP) "elementary functions" python3 Benchmarks/elementary/measure.py check

peers:
	@$(STEP) "set-up" Support/setup.sh peers
	@$(STEP) "build" swift build -c release --product normgen
	@$(STEP) "peers" Benchmarks/peers/run.sh

conformance:
	@$(STEP) "set-up" Support/setup.sh peers
	@$(STEP) "build" swift build -c release --product normgen
	@$(STEP) "conformance" Tests/Conformance/run.sh
