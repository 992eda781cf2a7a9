# SPDX-License-Identifier: Apache-2.0
# A thin front of meson. `make demo` and `make test` need nothing but Debian 12, git and make.
BUILD ?= build
MESON_OPTIONS ?=

.PHONY: all setup build demo test bench install uninstall clean format check

all: build

setup:
	@tools/setup.sh build

build: setup
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) $(MESON_OPTIONS)
	@ninja -C $(BUILD)

# SCALE=1: the company at the blueprint's row counts. KEEP=1: left running until Ctrl-C.
demo: setup
	@tools/setup.sh test
	@$(MAKE) --no-print-directory build
	@SCALE=$(SCALE) KEEP=$(KEEP) tools/demo.sh $(BUILD)

test: setup
	@tools/setup.sh test
	@$(MAKE) --no-print-directory build
	@tools/run_tests.sh $(BUILD)

bench: setup
	@tools/setup.sh test
	@tools/bench.sh $(BUILD)

install: build
	@meson install -C $(BUILD) --no-rebuild

uninstall:
	@ninja -C $(BUILD) uninstall

format:
	@git ls-files '*.[ch]' | xargs clang-format -i

check:
	@tools/setup.sh build test ci
	@tools/house_check.py $(BUILD)

clean:
	@rm -rf $(BUILD) build-*
