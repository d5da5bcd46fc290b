# SPDX-License-Identifier: Apache-2.0
# What a person types. `make` alone lists it.

PYTHON ?= python3
SWIFT ?= swift
HTTP_PORT ?= 8000
SEEDS ?= 20000
EVALUATION ?= evaluation
DECODER ?= request
SECONDS ?= 60
RESILIENCE_SECONDS ?= 60
PROFILE ?= .build/profile
PROFILE_FLAGS ?= --lanes 2
BENCH_FLAGS ?=
ARCH ?= 90
SOAK_MINUTES ?= 60

STRAIT := .build/release/strait
VENV_PYTHON := .strait/venv/bin/python
# Absolute, because tests run in folders of their own.
export STRAIT_ONNXRUNTIME := $(CURDIR)/.strait/onnxruntime/libonnxruntime.so

# No target is the name of a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

#: Begin
help: ## this list
	@echo "Strait: serves ONNX models to two classes of requests, each with a deadline."
	@awk -F ':[^#]*## ' '/^#: / {print "\n" substr($$0, 4)} /^[a-z-]+:[^#]*## / {printf "  make %-21s  %s\n", $$1, $$2}' \
		$(MAKEFILE_LIST)

setup: ## fetch ONNX Runtime, models and a Python environment into .strait (once; needs the network)
	@$(PYTHON) scripts/setup

build: ## build the server, release
	$(SWIFT) build -c release --product strait

run: setup build ## serve the demo models on port 8000 (HTTP_PORT=N for another)
	exec $(STRAIT) serve --model-repository .strait/models --http-port $(HTTP_PORT)

demo: setup build ## overload the server under fifo, edf-priority and strait, and print who was answered in time
	$(STRAIT) demo --model-repository .strait/models

#: Test
test: test-pure test-server ## everything

test-pure: setup ## the Swift tests of all that needs no network stack (debug; quick)
	STRAIT_PURE=1 $(SWIFT) test --scratch-path .build-pure

# Optimised, so that a filter update takes a microsecond instead of thirty: some tests then do 25 times as much.
test-long: ## the core's tests, its random ones with millions of steps (a minute or two, most of it compiling)
	STRAIT_PURE=1 $(SWIFT) test -c release -Xswiftc -enable-testing --scratch-path .build-long --filter StraitCoreTests

# Release, so that the server graph is compiled once; testable imports would compile it a second time.
test-server: setup build ## the server's Swift tests (release), then scripts and other people's clients against it
	STRAIT_SERVER_TESTS=1 $(SWIFT) test -c release --disable-testable-imports
	$(VENV_PYTHON) -m pytest scripts/tests Tests/Conformance Tests/Resilience Tests/Browser
	$(VENV_PYTHON) -m pytest Tests/Conformance/test_kserve.py

test-sanitized: test-asan test-tsan ## tests under AddressSanitizer and ThreadSanitizer, of what can fail there (docs/testing.md)

# LEAKS=1 looks for leaks, too: docs/testing.md tells what it finds now.
LEAKS ?= 0
# Optimised, for speed, and because only the optimiser lets go of what is used no more while its memory may be.
ASAN_TESTS := -c release -Xswiftc -enable-testing --sanitize=address --scratch-path .build-asan
test-asan: export STRAIT_PURE := 1
test-asan: export STRAIT_SANITIZER := address
test-asan: export ASAN_OPTIONS := detect_leaks=$(LEAKS):allocator_may_return_null=1
test-asan: export LSAN_OPTIONS := suppressions=$(CURDIR)/Tests/leaks.txt
test-asan: setup
	$(SWIFT) build --product straitPackageTests $(ASAN_TESTS)
	SWIFT_BACKTRACE=enable=no $(SWIFT) test --skip-build --disable-xctest $(ASAN_TESTS)

# A race is reported and the tests go on; then the process ends with a code that fails them.
TSAN_TESTS := --sanitize=thread --scratch-path .build-tsan
test-tsan: export STRAIT_PURE := 1
test-tsan: export STRAIT_SANITIZER := thread
# A thread that waits for a receiver that does not answer is left alone at the end, and joined by nobody.
test-tsan: export TSAN_OPTIONS := allocator_may_return_null=1:report_thread_leaks=0
test-tsan: setup
	$(SWIFT) build --product straitPackageTests $(TSAN_TESTS)
	SWIFT_BACKTRACE=enable=no $(SWIFT) test --skip-build --disable-xctest $(TSAN_TESTS)

# What a sanitizer cannot live under is left out: limits of memory, and deadlines that its slowness breaks.
# Reports go to files, since some of the servers are killed.
SANITIZER ?= thread
SERVER_REPORTS := $(CURDIR)/.build-server-$(SANITIZER)/reports
test-server-sanitized: setup ## the server under ThreadSanitizer, or SANITIZER=address, serves other people's clients and some faults
	STRAIT_SANITIZER=$(SANITIZER) $(SWIFT) build -c release --product strait --sanitize=$(SANITIZER) \
		--scratch-path .build-server-$(SANITIZER)
	rm -rf $(SERVER_REPORTS) && mkdir -p $(SERVER_REPORTS)
	STRAIT_BINARY=$(CURDIR)/.build-server-$(SANITIZER)/release/strait \
		TSAN_OPTIONS=log_path=$(SERVER_REPORTS)/report ASAN_OPTIONS=detect_leaks=0:log_path=$(SERVER_REPORTS)/report \
		$(VENV_PYTHON) -m pytest Tests/Conformance Tests/Resilience -k "$(SANITIZED_CASES)"; \
		code=$$?; cat $(SERVER_REPORTS)/* 2> /dev/null && exit 1; exit $$code
SANITIZED_CASES := not little_memory

resilience: setup build ## the server under faults, each kept up for RESILIENCE_SECONDS=N (60; a quarter of an hour in all), and a table of them
	STRAIT_RESILIENCE_SECONDS=$(RESILIENCE_SECONDS) $(VENV_PYTHON) -m pytest Tests/Resilience

# A failure says its seed; one that stops the process says ten, of which SEEDS=120-129 and so on find the one.
torture-core: ## random events for the scheduler, SEEDS=N of them or SEEDS=FIRST-LAST (20000; minutes)
	STRAIT_PURE=1 STRAIT_SEEDS=$(SEEDS) $(SWIFT) test --scratch-path .build-pure --filter RandomisedTests

torture: ## the whole engine with virtual clients, lanes and faults, SEEDS=N or FIRST-LAST (20000 in ten minutes, optimised)
	STRAIT_PURE=1 STRAIT_SEEDS=$(SEEDS) $(SWIFT) test -c release -Xswiftc -enable-testing --scratch-path .build-long --filter TortureTests

# What it makes up goes on from fuzzing/DECODER; an input that goes wrong is left in fuzzing as crash-… or timeout-….
# `--sanitize=fuzzer` alone counts the branches of C only. Swift's own crash handler would hang. What one input may take is bounded (docs/testing-fuzz.md).
fuzz: ## make up inputs for one decoder, DECODER=request (all: Fuzzing/dictionaries), for SECONDS=N (60), under ASan
	STRAIT_PURE=1 STRAIT_FUZZING=1 $(SWIFT) build -c release --sanitize=address --sanitize=fuzzer \
		-Xswiftc -sanitize=fuzzer --scratch-path .build-fuzz --product Fuzz
	mkdir -p fuzzing/$(DECODER)
	cd fuzzing && SWIFT_BACKTRACE=enable=no STRAIT_FUZZ=$(DECODER) ../.build-fuzz/release/Fuzz \
		-max_total_time=$(SECONDS) -max_len=8192 -timeout=5 -rss_limit_mb=2048 -malloc_limit_mb=256 \
		-dict=../Fuzzing/dictionaries/$(DECODER).dict $(DECODER) ../Tests/FuzzCorpus/$(DECODER)

#: Measure
bench: setup build ## what serving costs, beside ONNX Runtime in a loop (three minutes, on a quiet machine)
	$(VENV_PYTHON) Benchmarks/serving.py

count: ## instructions of the scheduler's step and the codecs against Benchmarks/instructions.json, within 1 % (needs valgrind)
	@$(PYTHON) Benchmarks/instructions.py

count-record: ## count them, and put them on record
	@$(PYTHON) Benchmarks/instructions.py --record

bench-grpc: setup build ## what serving over gRPC costs, beside a bare grpc-swift-2 echo and HTTP (three minutes, on a quiet machine)
	STRAIT_BENCHMARKS=1 $(SWIFT) build -c release --product GRPCEcho
	$(VENV_PYTHON) Benchmarks/grpc.py --echo .build/release/GRPCEcho

triton: ## fetch a real Triton 2.51 to compare with into .strait/triton (59 MB of wheels, x86_64; nothing else needs it)
	@$(PYTHON) scripts/setup-triton

bench-triton: setup build triton ## what serving costs, beside Triton: an identity model over HTTP and gRPC (ten minutes, on a quiet machine; BENCH_FLAGS=--quick to try it)
	STRAIT_BENCHMARKS=1 $(SWIFT) build -c release --product GRPCEcho
	$(PYTHON) Benchmarks/against_triton.py $(BENCH_FLAGS)

bench-two-classes: setup build triton ## two classes with deadlines, beside Triton (50 minutes, on a quiet machine; BENCH_FLAGS=--quick to try it)
	$(PYTHON) Benchmarks/two_classes.py $(BENCH_FLAGS)

bench-observing: setup build ## what metrics and decisions cost, on against off by turns (four minutes, on a quiet machine; BENCH_FLAGS=--off= for metrics alone)
	$(VENV_PYTHON) Benchmarks/observing.py $(BENCH_FLAGS)

bench-watching: setup build ## what being watched costs: the server's share of a core, the page's memory (twelve minutes, on a quiet machine; BENCH_FLAGS="--minutes 1" to try it)
	$(VENV_PYTHON) Benchmarks/watching.py $(BENCH_FLAGS)

bench-core: ## what a decision of the scheduler costs, each policy against edf-priority
	STRAIT_PURE=1 $(SWIFT) run -c release --package-path Benchmarks --scratch-path .build-bench DecisionCost

bench-sim: ## how many requests a core simulates in a second, each policy against edf-priority
	STRAIT_PURE=1 STRAIT_BENCHMARKS=1 $(SWIFT) run -c release --scratch-path .build-bench-sim SimulationSpeed

bench-core-pipe: build ## how many events a second strait core takes through a pipe
	$(PYTHON) Benchmarks/core_pipe.py

#: Simulate, and compare with servers
evaluate: build ## every rival over the whole matrix, which targets are met, a report and docs/results.md, into EVALUATION=FOLDER (an hour or so; goes on where it was)
	$(STRAIT) evaluate --out $(EVALUATION)
	cp $(EVALUATION)/results.md docs/results.md

evaluate-smoke: build ## a few cells of it with tuning seeds, into evaluation-smoke (minutes)
	$(STRAIT) evaluate --smoke

fidelity: setup build ## how close the simulator comes to the server on this machine (ten minutes, on a quiet one)
	$(PYTHON) scripts/fidelity

# At the shapes that `make fidelity` and `make interference` serve.
profile: setup build ## measure the demo models on two lanes into PROFILE=FOLDER, and draw docs/figures/profile.svg (five minutes, on a quiet machine; PROFILE_FLAGS=--quick is hasty)
	mkdir -p $(PROFILE)
	$(STRAIT) profile --model-repository .strait/models --output $(PROFILE)/models.profile.json \
		--shape minilm,input_ids:1x64,attention_mask:1x64 --shape ocr_rec,x:1x3x48x320 $(PROFILE_FLAGS) \
		--figure docs/figures/profile.svg

interference: setup build ## what lanes beyond cores do to predictions on the server, with and without interference (an hour, on a quiet machine)
	$(PYTHON) scripts/interference

fidelity-virtual: build ## a server on four virtual GPUs beside the simulator, the same requests (half an hour, on a quiet machine)
	$(PYTHON) scripts/fidelity-virtual

soak: build ## an hour of overload on virtual devices with everything on: memory, descriptors, predictions (SOAK_MINUTES=60)
	$(PYTHON) scripts/soak --minutes $(SOAK_MINUTES)

#: Keep the house
pictures: build ## draw docs/figures/dashboard-*.png from real runs (three minutes; needs Chromium)
	$(PYTHON) scripts/pictures

bundle: setup ## one archive that checks a GPU machine without network, for ARCH=90 (sm_90a); downloads 255 MB once: docs/gpu.md
	@$(PYTHON) scripts/bundle --arch $(ARCH) --swift $(SWIFT)

notices: build ## write THIRD-PARTY-NOTICES.md: packages, wheels, versions, licences
	@$(PYTHON) scripts/third-party

check: ## the repository's own rules: format, licence lines, imports, generated code
	@$(PYTHON) scripts/check

format: ## format the Swift source in place
	find Package.swift Sources Tests -name '*.swift' ! -name '*.pb.swift' -exec $(SWIFT) format --in-place --parallel {} +

clean: ## remove what was built (not what setup fetched: that is .strait)
	rm -rf .build .build-*
