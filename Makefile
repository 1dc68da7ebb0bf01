# Two commands for a newcomer: `make demo` and `make test`. Both make their own environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKS ?= $(notdir $(patsubst %/,%,$(wildcard taxonomies/*/)))

.PHONY: demo test test-wheel lint types models prior turns packs-page notebooks benchmarks slow clean

demo: $(VENV)/demo.ok
	@mkdir -p demo
	$(BIN)/contact-reasons label samples/retail-tickets.csv --pack retail --subject-column subject --overwrite --out demo/labelled-tickets.csv

test: $(VENV)/test.ok
	$(BIN)/python -m pytest -n 2

# The suite against the built wheel, in a copy of the checkout without the sources.
test-wheel: $(VENV)/test.ok
	rm -rf build/wheel-test && mkdir -p build/wheel-test
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel-test .
	$(PYTHON) -m venv build/wheel-test/venv
	build/wheel-test/venv/bin/python -m pip install --quiet -c constraints.txt "$$(ls build/wheel-test/*.whl)[test]"
	mkdir build/wheel-test/checkout && cp -r README.md pyproject.toml docs samples taxonomies models tests build/wheel-test/checkout
	cd build/wheel-test/checkout && ../venv/bin/python -m pytest -n 2

lint: $(VENV)/lint.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/lint.ok
	$(BIN)/mypy

# Make the shipped models again from their texts: the same bytes with the versions in constraints.txt.
models: $(VENV)/demo.ok
	for pack in $(PACKS); do $(BIN)/contact-reasons train --pack $$pack || exit 1; done

# Make the shared prior again from the sentence encoder: a quarter of an hour. Every model with a hidden layer must be trained again then.
prior: $(VENV)/teacher.ok
	$(BIN)/python tools/make_prior.py

# Make the model of turns again from small talk and the texts of all packs: a minute. No other model depends on it.
turns: $(VENV)/demo.ok
	$(BIN)/python tools/make_turns.py

# Make docs/reference/packs.md again from the taxonomies and policies of the packs: a second.
packs-page: $(VENV)/demo.ok
	$(BIN)/python tools/make_packs_page.py

# Run the notebooks of docs/notebooks again, in place: half a minute.
notebooks: $(VENV)/test.ok
	$(BIN)/python -m tests.docs.notebooks

# Not part of the fast suite: statistical and fault-injection tests, and measurements on public texts.
slow: $(VENV)/test.ok
	$(BIN)/python -m pytest tests/slow -m slow -s

# Half an hour on two cores. One section alone: .venv/bin/python -m tests.benchmarks --only speed
benchmarks: $(VENV)/benchmarks.ok
	$(BIN)/python -m tests.benchmarks

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/demo.ok: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[cli]'
	@touch $@

$(VENV)/test.ok: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/demo.ok

$(VENV)/lint.ok: pyproject.toml setup.py constraints.txt | $(VENV)/test.ok
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lint]'
	@touch $@

$(VENV)/teacher.ok: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[teacher]'
	@touch $@

$(VENV)/benchmarks.ok: pyproject.toml setup.py constraints.txt | $(VENV)/test.ok
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[benchmarks]'
	@touch $@

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info
