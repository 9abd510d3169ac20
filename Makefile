# Every target does what it needs first, so each works as the first command on a fresh Debian 12.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BUILD := build
JOBS ?= $(shell nproc)

.PHONY: help deps build test demo bench fuzz simulate mutants coverage lint format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

deps: ## Install what building and testing needs (apt; root or sudo)
	@.ci/deps

build: deps ## Build both binaries into bin/ (release)
	@mkdir -p $(BUILD)
	@cmake --preset release >$(BUILD)/release.configure.log 2>&1 || { cat $(BUILD)/release.configure.log; exit 1; }
	@cmake --build --preset release --parallel $(JOBS) --target endoscope-operator kubectl-endoscope
	@mkdir -p bin
	@for program in endoscope-operator kubectl-endoscope; do \
	  cp -f $(BUILD)/release/cmd/$$program bin/$$program.new && strip bin/$$program.new && mv -f bin/$$program.new bin/$$program; done
	@echo "built bin/endoscope-operator and bin/kubectl-endoscope"

test: build ## Run every test that can run here, under ASan and UBSan (README: Tests)
	@tests/run.sh

demo: build ## Show one allowed and one denied request (CLUSTER=real for the real API server, KUBECONFIG=... for yours)
	@cmake --build --preset release --parallel $(JOBS) --target model-apiserver test-kubelet
	@tests/demo/demo.sh

bench: deps ## Measure everything in docs/performance.md anew (about ten minutes)
	@tests/bench/run.sh

fuzz: deps ## Fuzz every decoder and parser, FUZZ_SECONDS (300) each
	@tests/fuzz/run.sh

simulate: deps ## Run the operator in simulation, SEEDS (100000) of them, on every core
	@mkdir -p $(BUILD)
	@cmake --preset release >$(BUILD)/release.configure.log 2>&1 || { cat $(BUILD)/release.configure.log; exit 1; }
	@cmake --build --preset release --parallel $(JOBS) --target endoscope-simulation
	@$(BUILD)/release/tests/simulation/endoscope-simulation --seeds $(or $(SEEDS),100000) --jobs $(JOBS)

mutants: deps ## Plant known bugs one by one; the simulation must find each
	@tests/simulation/mutants.sh

coverage: deps ## Line and branch coverage of the verdict by its unit tests
	@tests/coverage.sh

lint: deps ## Check formatting and run clang-tidy
	@.ci/lint

format: ## Format the C++ code
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 -i

clean: ## Remove what was built
	rm -rf $(BUILD) bin
