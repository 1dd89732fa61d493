# Needs make and Python 3.11 or newer; everything else goes into .venv.
SHELL := /bin/sh
VENV := .venv
RUN := $(VENV)/bin/
PYTHONS := python3.11 python3 python3.12 python3.13
PLAN := plan deepseek-v3 --on gb200-nvl72 --trace azure-conv --ttft 2 --tpot "50 ms"

.PHONY: plan test bench docs sizes clean help
.DELETE_ON_ERROR:

help:
	@echo "make plan   DeepSeek-V3 on a GB200 NVL72 under the Azure conversation trace -> out/"
	@echo "make test   ruff, mypy and every test"
	@echo "make bench  how fast the program is"
	@echo "make docs   writes the generated parts of the documents again"
	@echo "make sizes  lines per floor, longest file and function"
	@echo "make clean  removes .venv, out and caches"

plan: $(VENV)/installed
	@mkdir -p out
	$(RUN)rackline $(PLAN) --out out/plan.html --force
	@$(RUN)rackline $(PLAN) --out out/plan.svg --force --json >out/plan.json
	@echo "wrote out/plan.json" >&2

test: $(VENV)/installed-dev
	$(RUN)python tools/run_tests.py

bench: $(VENV)/installed-dev
	@for file in benchmarks/*.py; do echo "\$$ python $$file"; $(RUN)python $$file || exit 1; done

docs: $(VENV)/installed-dev
	@for file in docs/make_*.py; do $(RUN)python $$file || exit 1; done

sizes: $(VENV)/installed
	@$(RUN)python tools/sizes.py

clean:
	rm -rf $(VENV) out build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	@python=; for name in $(PYTHONS); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "needs Python 3.11 or newer: none of $(PYTHONS) is one" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$python --version)" >&2; \
	"$$python" -m venv --clear $(VENV) || { echo "$$python cannot make $(VENV): is its venv package installed?" >&2; exit 1; }
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml
	$(RUN)python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(RUN)python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
