# `make serve` and `make test` set up all they need. System packages are installed when root; else the command is said.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ASSETS := src/sheetbend/server/assets/index.html
WEB_SOURCES := $(shell find web protocol \( -name node_modules -o -name dist \) -prune -o -type f -print)

.PHONY: serve test check sim fuzz autobahn netlab bench soak e2e web api lock format clean

serve: $(INSTALLED) $(ASSETS)  ## Start the server; ARGS are its flags
	$(BIN)/sheetbend serve $(ARGS)

test: $(INSTALLED) $(ASSETS)  ## Every test, browsers included
	scripts/install-package.sh chromium chromium
	scripts/install-package.sh ip iproute2
	scripts/install-package.sh nft nftables
	scripts/install-package.sh turnserver coturn
	npm --prefix web test
	$(BIN)/python -m pytest
	$(BIN)/python -m simulator
	$(BIN)/python -m simulator --mutants
	$(BIN)/python -m benchmarks.soak --minutes 1
	$(MAKE) fuzz

check: $(INSTALLED) $(ASSETS)  ## Lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm --prefix web run check

sim: $(INSTALLED)  ## The simulator; SEEDS=100000 START=0, or one SEED=7, with MUTANT=name; SUITE=rooms or links
	$(BIN)/python -m simulator $(if $(SUITE),--suite $(SUITE)) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000) --start $(or $(START),0)) $(if $(MUTANT),--mutant $(MUTANT))

fuzz: $(INSTALLED) $(ASSETS) $(VENV)/fuzz  ## What strangers can send, guided by coverage; EXECUTIONS=10000000, ARGS="v1 frames"
	PYTHONPATH=$(VENV)/fuzz $(BIN)/python -m fuzz --executions $(or $(EXECUTIONS),100000) --corpus $(VENV)/corpus $(ARGS)

e2e: $(INSTALLED) $(ASSETS)  ## The tests in Chromium alone
	scripts/install-package.sh chromium chromium
	$(BIN)/python -m pytest -m e2e

netlab: $(INSTALLED) $(ASSETS)  ## Chromium behind real NATs, each against each; needs root; ARGS as in docs/netlab.md
	scripts/install-package.sh ip iproute2
	scripts/install-package.sh nft nftables
	scripts/install-package.sh chromium chromium
	scripts/install-package.sh turnserver coturn
	$(BIN)/python -m netlab $(ARGS)

bench: $(INSTALLED) $(ASSETS)  ## Beside plain Node, Socket.IO, PeerJS, simple-peer and the floor, then trials; ARGS as in benchmarks/README.md
	scripts/install-package.sh chromium chromium
	npm --prefix benchmarks install --no-save --no-audit --no-fund
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(INSTALLED) $(ASSETS)  ## An hour of churn, or MINUTES=2: nothing may grow, nothing be left
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60) $(ARGS)

autobahn: $(INSTALLED) $(ASSETS)  ## Autobahn's WebSocket cases; ARGS=--all: websockets, aiohttp and plain picows as well
	autobahn/install.sh $(BIN)/python
	$(BIN)/python -m autobahn $(ARGS)

web: $(ASSETS)  ## Build the SDK and the room app

api: $(INSTALLED)  ## The reference of the Python client, from its docstrings, in docs/api
	$(BIN)/pdoc sheetbend.client sheetbend.client.media sheetbend.errors --output-directory docs/api

format:  ## Put everything in its form
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .
	npm --prefix web run format

lock:  ## Take newer versions of the Python packages
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --output-file requirements-dev.lock pyproject.toml requirements-dev.in

clean:
	rm -rf $(VENV) web/node_modules web/*/dist src/sheetbend/server/assets benchmarks/node_modules

$(INSTALLED): requirements-dev.lock pyproject.toml hatch_build.py
	scripts/create-venv.sh $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/fuzz: fuzz/requirements.txt $(INSTALLED)
	$(BIN)/pip install --quiet --only-binary :all: --upgrade --target $@ --requirement $< || mkdir -p $@
	touch $@

$(ASSETS): $(INSTALLED) $(WEB_SOURCES)
	$(BIN)/python hatch_build.py
	touch $@
