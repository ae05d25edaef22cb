# Python 3.11+, git and make are all that must be there. `make help` lists what can be made.
PYTHON ?= python3
VENV ?= .venv
EXTRAS := parquet,tiff,zst,bpe,hf,onnx,map,photos,redis,detection,audio,video,rl,bleu,dev
CORE := $(VENV)/.core
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/.peers
BROWSER := $(VENV)/.browser
REDIS := $(VENV)/redis
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install peers browser redis demo test check bench bench-vision bench-detection bench-acting bench-peers bench-signals bench-stereo bench-video bench-words faults effects mutations pin clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## .venv with what the tests need, every version pinned

peers: $(PEERS)  ## the libraries that the benchmarks compare with

# What the demo needs: the core, and the map of the report.
$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "selftaught needs Python 3.11 or newer: make PYTHON=python3.12 install")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable '.[map]'
	@touch $@

$(INSTALLED): $(CORE)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

$(PEERS): $(INSTALLED)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(EXTRAS),bench]'
	@touch $@

browser: $(BROWSER)  ## Debian's Chromium for the tests that open the report, where root and apt-get allow it

# Never fails: without Chromium those tests are skipped, and say so.
$(BROWSER): | $(INSTALLED)
	@if { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && command -v chromedriver >/dev/null; then \
		echo "browser tests: a Chromium and its driver are installed"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "browser tests: installing Debian's chromium with apt-get"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ timeout 120 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-liberation; } \
			>$(VENV)/browser.log 2>&1 || echo "browser tests: apt-get could not install chromium (see $(VENV)/browser.log); they will be skipped"; \
	else \
		echo "browser tests: no Chromium with a chromedriver, and no apt-get as root to install them with; they will be skipped"; \
	fi
	@touch $@

redis: $(REDIS)  ## Debian's Redis server for the tests that keep a bank there, unpacked into .venv where apt-get allows it

# Never fails: without a server those tests are skipped, and say so. Unpacked, not installed, so that nothing is started.
$(REDIS): | $(INSTALLED)
	@mkdir -p $@/packages
	@if command -v redis-server >/dev/null; then \
		echo "Redis tests: a redis-server is installed"; \
	elif command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then \
		echo "Redis tests: fetching Debian's redis-server with apt-get"; \
		( [ "$$(id -u)" != 0 ] || timeout 120 apt-get update -qq; \
		  cd $@/packages && timeout 120 apt-get download redis-server redis-tools libatomic1 libjemalloc2 liblzf1 && \
		  for package in *.deb; do dpkg-deb -x $$package .. || exit 1; done ) \
			>$@/log 2>&1 || echo "Redis tests: apt-get could not fetch redis-server (see $@/log); they will be skipped"; \
		rm -rf $@/packages; \
	else \
		echo "Redis tests: no redis-server, and no apt-get to fetch it with; they will be skipped"; \
	fi

demo: $(CORE)  ## pretrain on Fashion-MNIST, probe, report: a few minutes on two cores
	$(VENV)/bin/selftaught demo

test: install browser redis  ## the test suite, without the slow part
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

check: install  ## lint, format, strict types, and who may import whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: peers  ## every table of the documentation, measured again (long)
	for name in views loop limits info_nce bounds mechanisms vision words language; do $(VENV)/bin/python -m benchmarks.$$name || exit 1; done
	test -d runs/demo || $(VENV)/bin/selftaught demo
	$(VENV)/bin/python -m benchmarks.judging runs/demo
	$(VENV)/bin/python -m benchmarks.tables

bench-vision: peers  ## every image method on three data sets, resumable (hours); SELFTAUGHT_DATA names a folder with CIFAR-10
	for name in vision finetune few_labels; do $(VENV)/bin/python -m benchmarks.$$name || exit 1; done
	$(VENV)/bin/python -m benchmarks.tables

bench-detection: peers  ## transfer to detection, body by body, resumable (hours); SELFTAUGHT_DATA names a folder with the pictures
	$(VENV)/bin/python -m benchmarks.detection
	$(VENV)/bin/python -m benchmarks.tables

# torchvision and lightly without what they ask for: pip would take another build of torch, and a loop that is not used.
bench-peers: $(INSTALLED)  ## SimCLR, MoCo and BYOL of lightly and solo-learn beside ours in equal time, resumable (an hour)
	test -x $(VENV)-peers/bin/python || $(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)-peers/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[parquet]' lightning_utilities==0.15.3 tqdm
	$(VENV)-peers/bin/python -m pip install --quiet --no-deps torchvision==0.28.0 lightly==1.6.0 solo-learn==1.0.2
	$(VENV)/bin/python -m benchmarks.peers --peer $(VENV)-peers/bin/python
	$(VENV)/bin/python -m benchmarks.tables

bench-signals: $(INSTALLED)  ## every method of signals on small sets, beside MiniRocket, resumable (two hours)
	test -x $(VENV)-aeon/bin/python || $(PYTHON) -m venv $(VENV)-aeon
	$(VENV)-aeon/bin/python -m pip install --quiet aeon==1.6.0
	$(VENV)/bin/python -m benchmarks.signals --peer $(VENV)-aeon/bin/python

bench-acting: $(INSTALLED)  ## games of MinAtar, with predictive coding and without, five seeds, resumable (two hours)
	$(VENV)/bin/python -m benchmarks.acting --speed
	$(VENV)/bin/python -m benchmarks.acting

bench-stereo: peers  ## depth from one pair and its variants, beside OpenCV, resumable (an hour)
	$(VENV)/bin/python -m benchmarks.stereo

bench-video: $(INSTALLED)  ## every method of videos on real footage, and the speed of clips, resumable (two hours)
	$(VENV)/bin/python -m benchmarks.video --speed
	$(VENV)/bin/python -m benchmarks.video

bench-words: peers  ## word vectors beside gensim and fastText, row by row, resumable (half an hour)
	$(VENV)/bin/python -m benchmarks.words
	$(VENV)/bin/python -m benchmarks.tables

faults: install redis  ## kill -9, full disks and damaged checkpoints, again and again (long)
	$(VENV)/bin/python -m pytest tests/faults -m slow

effects: install  ## every argument of every method changes what is trained, or is refused (long)
	$(VENV)/bin/python -m pytest tests/config/test_effects.py -m slow

mutations: install  ## every gradient of the methods broken on purpose, one by one: the contract notices each
	$(VENV)/bin/python tests/mutations.py

pin: peers  ## write constraints.txt again from what .venv holds
	{ sed -n '/^#/p' constraints.txt; echo 'torch==2.13.0'; $(PIP) freeze --exclude-editable | grep -vi '^torch=='; } > constraints.new
	mv constraints.new constraints.txt

clean:  ## remove .venv and every cache; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find selftaught tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
