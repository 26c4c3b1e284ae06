# `make demo` and `make test` need Python 3.11 to 3.14 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: demo docs test test-slow format clean \
	bench-training bench-neighbours bench-sampling bench-serving bench-gpu bench-quality bench-records \
	bench-tasks bench-task-peers bench-peers

demo: $(READY)
	$(BIN)/charrnn train scenes --minutes 1
	$(BIN)/charrnn sample --temp 0.7 --length 600

# In a random order; its seed stands at the head, and --randomly-seed repeats it. What mypy finds
# meanwhile is shown at the end. The tests' processes keep no bytecode, so it is made before them.
test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m compileall -q charrnn tests
	$(BIN)/mypy >$(VENV)/types 2>&1 & types=$$!; trap 'kill $$types' INT TERM; \
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal; tests=$$?; \
	wait $$types; types=$$?; cat $(VENV)/types; exit $$((tests | types))

# docs/reference.md, from the settings and the commands; `make test` fails when it is stale.
docs: $(READY)
	$(BIN)/python docs/reference.py

# Beside the slow tests, examples that `make test` has not tried.
test-slow: $(READY)
	$(BIN)/pytest -m "slow or hypothesis" --hypothesis-profile explore

bench-training: $(READY)
	$(BIN)/python benchmarks/training.py

bench-neighbours: $(READY)
	$(BIN)/python benchmarks/neighbours.py

bench-sampling: $(READY)
	$(BIN)/python benchmarks/sampling.py

bench-serving: $(READY)
	$(BIN)/python benchmarks/serving.py

bench-gpu: $(READY)
	$(BIN)/python benchmarks/gpu.py

bench-quality: $(READY)
	$(BIN)/python benchmarks/quality.py $(TEXT)
	$(BIN)/python benchmarks/yardstick.py

# NAMES: files with a name on each line.
bench-records: $(READY)
	$(BIN)/python benchmarks/records.py $(NAMES)

# DATA: the folder with the sets that benchmarks/tasks names. ROW: one or several of its rows.
bench-tasks: $(READY) bench-task-peers
	$(BIN)/python benchmarks/tasks/run.py $(DATA) $(ROW)

bench-task-peers:
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet scikit-learn statsmodels python-crfsuite

# Keras and JAX, to be measured beside charrnn where they are wanted.
bench-peers:
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet keras==3.15.1 tensorflow-cpu==2.21.0 jax==0.10.2

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .venv-peers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Installing anew whenever the dependencies change keeps an old .venv from hiding a missing one.
# Bytecode is compiled as pip would do it, but on all processors and without what nobody imports. Some
# packages have files for other Pythons, which fail to compile.
$(READY): pyproject.toml constraints.txt
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -c \
		'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo "charrnn needs Python 3.11 to 3.14; install 3.14 from python.org, then:"; \
		echo "make clean; make PYTHON=python3.14 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/|/transformers/models/' $(VENV)/lib || true
	touch $@
