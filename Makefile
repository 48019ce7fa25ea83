# Set-up and checks. Everything that makes a result is Snakemake's: see README.md.
PYTHON ?= python3
BIN := .venv/bin
# Scripts started by `make` find the installed tools first, and a noisy environment's Python path last.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Python keeps what it has compiled; else every start of Snakemake compiles 130 modules of molmix again.
unexport PYTHONDONTWRITEBYTECODE
READY := .venv/.ready
# Three files of tests at a time, in their order: the tests of clusters and of commands wait more than they compute.
AT_ONCE := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast lint audit bench gpu-checks faults docs site figures judge-figures small-figures lock

demo: $(READY)  ## the embedded study, from nothing to its leaderboard
	snakemake --cores all --quiet reason
	@echo
	@cat results/demo/tables/leaderboard.md
	@echo
	@echo "Tables: results/demo/tables/   Every caption with its scores: results/demo/scores/"
	@echo "Go on with (after: source .venv/bin/activate)"
	@echo "  snakemake --cores all judge                 how far the judge can be trusted"
	@echo "  snakemake --cores all report                all of it as pages: results/demo/report/index.html"
	@echo "  molmix explain atomic_f1 mol2cap id         what is behind a number"

test: $(READY) lint  ## everything; what needs a browser or a SLURM is skipped where there is none
	python -m pytest $(AT_ONCE)

test-fast: $(READY)  ## between two edits: no trainings, no end-to-end run, no browser
	python -m pytest $(AT_ONCE) -m "not slow"

lint: $(READY)
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflow
	mypy
	lint-imports
	snakemake --lint

audit: .venv-audit/.ready  ## known vulnerabilities in the pins, where pypi.org can be asked
	PATH="$(CURDIR)/.venv-audit/bin":$$PATH python envs/audit.py

.venv-audit/.ready:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet 'pip-audit>=2.9,<3'
	@touch $@

bench: $(READY)  ## ratios side by side, in one run
	python -m benchmarks

gpu-checks: $(READY)  ## what needs a GPU, in at most ten minutes; writes gpu-checks.md
	python -m benchmarks.gpu_checks

faults: $(READY)  ## kill, fill up and damage a small study, and see that it ends in the same tables
	python -m faults

figures: $(READY)  ## tables and figures of README and docs, from the embedded study, config/judge.yaml and config/grpo.yaml (about 30 minutes on 2 cores)
	snakemake --cores all --quiet reason -- all judge plots
	snakemake --cores all --quiet reason --configfile config/judge.yaml -- all judge
	snakemake --cores all --quiet reason --configfile config/grpo.yaml -- all
	python docs/update.py

judge-figures: $(READY)  ## tables of docs/judges.md: the embedded world, ChEBI-20 and PubChem324k (about 40 minutes on 2 cores)
	@test -d "$(DATA)" -a -d "$(NLI)" || { echo "Usage: make judge-figures DATA=FOLDER NLI=FOLDER"; \
	  echo "DATA holds chebi20/test.tsv, chebi20/validation.tsv, chebi20/molt5-small-smiles2caption.tsv and pubchem324k/test.tsv"; \
	  echo "(unquoted TSV; columns CID, SMILES, description; of the system SMILES, output). NLI is an English NLI model."; exit 1; }
	mkdir -p judge-data
	ln -sfn "$$(realpath -ms "$(DATA)")/chebi20" judge-data/chebi20
	ln -sfn "$$(realpath -ms "$(DATA)")/pubchem324k" judge-data/pubchem324k
	ln -sfn "$$(realpath -ms "$(NLI)")" judge-data/nli
	python -m benchmarks.retrieval judge-data/chebi20/validation.tsv judge-data/chebi20/test.tsv judge-data/retrieval
	snakemake --cores all --quiet reason --configfile config/judge.yaml -- all judge
	snakemake --cores all --quiet reason --configfile config/judge-chebi20.yaml -- all judge
	snakemake --cores all --quiet reason --configfile config/judge-pubchem324k.yaml -- judge
	python docs/update.py results judges.md

small-figures: $(READY)  ## docs/small.md and its rows in README: a real language model on ChEBI-20 at reduced size
	@test -d "$(DATA)" -a -d "$(MODEL)" -a -d "$(NLI)" || { echo "Usage: make small-figures DATA=FOLDER MODEL=FOLDER NLI=FOLDER"; \
	  echo "DATA holds chebi20/validation.tsv and chebi20/test.tsv (unquoted TSV; columns CID, SMILES, description) and"; \
	  echo "vocab/scibert-scivocab-uncased.txt. MODEL is SmolLM2-135M-Instruct, NLI an English NLI model. WordNet 3.0 is"; \
	  echo "taken from /usr/share/wordnet (Debian's wordnet-base and wordnet-sense-index), or from WORDNET=FOLDER."; exit 1; }
	mkdir -p small-data
	ln -sfn "$$(realpath -ms "$(DATA)")/chebi20" small-data/chebi20
	ln -sfn "$$(realpath -ms "$(DATA)")/vocab" small-data/vocab
	ln -sfn "$$(realpath -ms "$(MODEL)")" small-data/smollm2
	ln -sfn "$$(realpath -ms "$(NLI)")" small-data/nli
	ln -sfn "$$(realpath -ms "$(or $(WORDNET),/usr/share/wordnet)")" small-data/wordnet
	snakemake --cores all --quiet reason --configfile config/small-local.yaml
	python docs/update.py results small-local

docs: $(READY)  ## what is generated from the config schema and the lock
	python -m molmix.config.documentation
	python -m tests.badinput.page
	python envs/split.py

site: .venv-site/.ready  ## README, docs and the API as a site with search: site/index.html, which opens from disk
	NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --strict

.venv-site/.ready: envs/site.txt
	$(PYTHON) -m venv .venv-site
	.venv-site/bin/pip install --quiet --requirement envs/site.txt
	@touch $@

lock:  ## new pins from the ranges of pyproject.toml, from an environment made for that alone
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet '.[dev]'
	.venv-lock/bin/pip freeze --exclude molmix | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock
	$(MAKE) docs

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@
