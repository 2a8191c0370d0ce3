# The commands of this repository. They work on a bare Debian 12: each installs the missing programs that it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
MINUTES ?= 30
PREFIX ?= $(HOME)/.local
APT_INSTALL = $(ROOT) apt-get install -y -q --no-install-recommends
PIP_INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check

# Python stores compiled modules. Without that, each process of the tests compiles pylb, and pytest compiles all tests.
unexport PYTHONDONTWRITEBYTECODE

# Options of the fast tests. Waits overlap, so there are more processes than cores. Loading unused plugins takes a second.
FAST := -n 4 --dist worksteal -m "not slow" --hypothesis-profile quick -p no:schemathesis -p no:benchmark -p no:anyio

# Debian packages venv separately from Python; a new machine has no package lists yet.
define REQUIRE_VENV
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("pylb needs Python 3.11 or newer")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(APT_INSTALL) python3-venv \
		|| { $(ROOT) apt-get update -q && $(APT_INSTALL) python3-venv; }
endef

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## Run a registry, three web services, and pylb in front of them.
	@$(BIN)/pylb demo

install:  ## Install pylb for this user: a virtual environment in PREFIX (~/.local), and the command PREFIX/bin/pylb.
	$(REQUIRE_VENV)
	$(PYTHON) -m venv --clear "$(PREFIX)/share/pylb"
	"$(PREFIX)/share/pylb/bin/python" -m pip install -q --disable-pip-version-check '.$(EXTRAS)'
	@mkdir -p "$(PREFIX)/bin"
	@ln -sfn "$(PREFIX)/share/pylb/bin/pylb" "$(PREFIX)/bin/pylb"
	@"$(PREFIX)/bin/pylb" --version
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo 'Add $(PREFIX)/bin to PATH to run it as pylb.' ;; esac

uninstall:  ## Remove what `make install` installed.
	rm -rf "$(PREFIX)/share/pylb" "$(PREFIX)/bin/pylb"

test: $(VENV)/installed-dev  ## Lint and run all tests. Downloads the programs that they need, including a real Consul.
	$(BIN)/python tests/components.py bench chaos consul docker chromium clients http2 prometheus
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n 2 --dist worksteal

check: $(VENV)/installed-dev lint  ## Lint, and run the tests that take less than a second each.
	$(BIN)/pytest $(FAST)

lint: $(VENV)/installed-dev  ## Lint, format, types, and which module may import which.
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/installed-bench  ## Measure pylb next to nginx, HAProxy, Envoy, Traefik, Caddy and stock aiohttp.
	$(BIN)/python -m bench.hotpath

bench-report: $(VENV)/installed-bench  ## Run missing measurements and write docs/performance.md (OPTIONS="--quick", "--only NAME").
	$(BIN)/python -m bench.report $(OPTIONS)

load: $(VENV)/installed-bench  ## Run Locust for MINUTES (30) with a change of instances each second, and evaluate the result.
	$(BIN)/python -m bench.load --headless --users 50 --spawn-rate 50 --run-time $(MINUTES)m --html load.html

MICRO := $(BIN)/pytest bench/micro -q --benchmark-storage=file://bench/micro/baseline
bench-compare: $(VENV)/installed-dev $(VENV)/installed-bench  ## Run the micro-benchmarks and compare them with the stored baseline.
	$(MICRO) --benchmark-compare --benchmark-group-by=fullname --benchmark-columns=min,median --benchmark-compare-fail=min:50%

bench-baseline: $(VENV)/installed-dev $(VENV)/installed-bench  ## Run the micro-benchmarks on an idle machine and store the baseline.
	$(MICRO) --benchmark-save=baseline --benchmark-columns=min,median

chaos: $(VENV)/installed-dev  ## Run all fault scenarios, count lost requests, and write docs/reliability.md.
	$(BIN)/python tests/components.py chaos consul
	$(BIN)/python -m tests.chaos

soak: $(VENV)/installed-dev  ## Inject random faults for MINUTES (30), and check for leaks and lost requests.
	$(BIN)/python tests/components.py consul
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES)

docs: $(VENV)/installed  ## Write docs/config.md from the declarations of the options.
	$(BIN)/python -m pylb.config > docs/config.md.new
	mv docs/config.md.new docs/config.md

pictures: $(VENV)/installed-dev  ## Take the screenshots of the dashboard for docs/ and the README.
	$(BIN)/python tests/components.py consul chromium
	$(BIN)/python -m tests.scenarios.see.pictures docs/images

clean:  ## Remove generated files: the virtual environment, caches, downloaded programs.
	rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find pylb bench tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp file marks that its extras are installed; it is renewed when pyproject.toml has changed.
$(VENV)/installed: EXTRAS :=
$(VENV)/installed-dev: EXTRAS := [dev]
$(VENV)/installed-bench: EXTRAS := [bench]
$(VENV)/installed $(VENV)/installed-dev $(VENV)/installed-bench: pyproject.toml | $(BIN)/pip
	$(PIP_INSTALL) --editable '.$(EXTRAS)'
	@touch $@

$(BIN)/pip:
	$(REQUIRE_VENV)
	$(PYTHON) -m venv $(VENV)

.PHONY: help demo install uninstall test check lint bench bench-report load bench-compare bench-baseline chaos soak docs pictures clean
