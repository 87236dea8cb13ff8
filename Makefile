# The habits, one word each. `make check` is what CI runs.
.PHONY: setup format lint types walls test slow bench kills proofs sample mutants docs check
bin := .venv/bin

setup:
	python3 -m venv .venv && $(bin)/pip install -q -c constraints.txt -e '.[dev]'

format:
	$(bin)/ruff format .
	$(bin)/ruff check --fix .

lint:
	$(bin)/ruff format --check .
	$(bin)/ruff check .

types:
	$(bin)/mypy

walls:
	$(bin)/lint-imports

test:
	$(bin)/pytest

slow:
	$(bin)/pytest -m slow

bench:
	$(bin)/python benchmarks/cycle.py
	$(bin)/python benchmarks/hung_source.py
	$(bin)/python benchmarks/context_engine.py
	$(bin)/python benchmarks/archive_growth.py
	$(bin)/python benchmarks/policy_gate.py
	$(bin)/python benchmarks/orders.py

kills:
	AGENTCTL_EVERY_POINT=1 $(bin)/pytest -m slow tests/graphs/test_kill_live.py

proofs:
	AGENTCTL_EVERY_POINT=1 $(bin)/pytest -m slow tests/policy/test_proof.py

sample:
	$(bin)/python tests/mutation/run.py --sample $(or $(SAMPLE),48) --seed $(or $(SEED),0)

mutants: sample
	$(bin)/python tests/mutation/run.py

docs:
	$(bin)/pytest tests/docs

check: lint types walls test slow
