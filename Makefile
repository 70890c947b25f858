# Everything here runs on a fresh Debian or Ubuntu with Python 3.11 or later; `scripts/ground`
# installs what is missing and starts a Docker engine where none answers.
.PHONY: demo demo-clean test test-kubelet check bench docs lock help
.DEFAULT_GOAL := help

python := .venv/bin/python

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## one digest from build to production, in four environments on this machine
	@scripts/ground
	@scripts/demo

demo-clean: ## take the demo's environments and its record away
	@scripts/demo-clean

test: ## the checks and every test, also when a check fails
	@scripts/ground --tests
	@$(MAKE) --no-print-directory check; checked=$$?; \
	$(python) -m pytest -n 3 --dist loadgroup $(PYTEST); tested=$$?; \
	[ $$checked = 0 ] && [ $$tested = 0 ]

test-kubelet: ## the tests whose pods run on a real kubelet: as root, on a machine to itself
	@scripts/ground --tests
	SHIPIT_TEST_KUBELET=1 $(python) -m pytest tests/contract/targets tests/integration/cluster \
	    tests/integration/targets/kubernetes tests/integration/cli/test_kubernetes.py $(PYTEST)

check: ## formatting, lint, types, the direction of imports, workflows
	@scripts/venv --dev
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/ty check --quiet --python .venv stacks infra
	.venv/bin/lint-imports
	scripts/actionlint

bench: ## the speed promises, as ratios in one run
	@scripts/ground --tests
	$(python) -m bench

docs: ## make the generated reference pages again
	@scripts/venv --dev
	$(python) -m docs

lock: ## make requirements/*.txt again
	@scripts/lock
