# SPDX-License-Identifier: BSD-2-Clause
#
# Builds everything into $(B): the BPF object and its skeleton, libvarp, varpd, varpctl and the tests.
# `make help` lists the targets; the help comes from the double-hash comments behind them.
#
# Variables: B (build directory), PREFIX, DESTDIR, CC, CLANG, BPFTOOL, CFLAGS, LDFLAGS, V=1 (show commands),
# WERROR= (warnings are no errors), SAN=1 (ASan and UBSan), COV=1 (gcov).

VERSION		:= 0.1.0
SOVERSION	:= 1

B		?= build
PREFIX		?= /usr/local
DESTDIR		?=
SYSCONFDIR	?= /etc
SBINDIR		?= $(PREFIX)/sbin
LIBDIR		?= $(PREFIX)/lib
INCLUDEDIR	?= $(PREFIX)/include
MANDIR		?= $(PREFIX)/share/man
DOCDIR		?= $(PREFIX)/share/doc/varp
UNITDIR		?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR	?= $(PREFIX)/lib/sysusers.d
COMPDIR		?= $(PREFIX)/share/bash-completion/completions

ifeq ($(origin CC),default)
CC		:= gcc
endif
CLANG		?= clang
PKG_CONFIG	?= pkg-config
BPFTOOL		?= $(shell scripts/find-bpftool.sh)
WERROR		?= -Werror
NPROC		:= $(shell nproc 2>/dev/null || echo 1)

ifeq ($(V),1)
Q		:=
msg		= @:
else
Q		:= @
msg		= @printf '  %-8s %s\n' "$(1)" "$(patsubst $(B)/%,%,$(2))"
MAKEFLAGS	+= --no-print-directory
endif

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

# --- Flags ------------------------------------------------------------------------------------------------------------

CFLAGS		?= -O2 -g
WARNINGS	:= -Wall -Wextra $(WERROR)
# The empty definition agrees with a file's own `#define _GNU_SOURCE`.
VARP_CPPFLAGS	:= -D_GNU_SOURCE= -DVARP_RELEASE='"$(VERSION)"' \
		   -Iinclude -I. -Ilibvarp -Ictl/common -I$(B)/gen
VARP_CFLAGS	:= -std=gnu11 $(WARNINGS) -fvisibility=hidden -fPIC -pthread -MMD -MP
VARP_LDFLAGS	:= -Wl,--as-needed -pthread

ifdef SAN
VARP_CFLAGS	+= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
VARP_LDFLAGS	+= -fsanitize=address,undefined
endif
# libFuzzer comes with clang: `make fuzz` sets CC.
ifdef FUZZ
VARP_CFLAGS	+= -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
VARP_LDFLAGS	+= -fsanitize=address,undefined
FUZZ_LDFLAGS	:= -fsanitize=fuzzer
FUZZ_MAIN	:= tests/fuzz/replay.c
endif
# What a fuzzer puts in the place of a part of the daemon wins over the archive's.
FUZZ_LDFLAGS	+= -Wl,-z,muldefs
ifdef COV
VARP_CFLAGS	+= --coverage -O0 -DVARP_COVERAGE
VARP_LDFLAGS	+= --coverage
endif

# Only what a target links is asked for, so that `make help`, `clean` and `deps` need no packages.
pkg_cflags	= $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pkg_libs	= $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
PKGS_LIB	:= jansson
PKGS_CTL	:= libxdp libbpf libevent libevent_openssl openssl jansson sqlite3 inih libmnl libseccomp
HAVE_SYSTEMD	:= $(shell $(PKG_CONFIG) --exists libsystemd 2>/dev/null && echo 1)
ifeq ($(HAVE_SYSTEMD),1)
PKGS_CTL	+= libsystemd
VARP_CPPFLAGS	+= -DHAVE_LIBSYSTEMD=1
endif
VARP_CPPFLAGS	+= $(call pkg_cflags,$(PKGS_CTL))
LIBS_LIB	= $(call pkg_libs,$(PKGS_LIB))
LIBS_CTL	= $(call pkg_libs,$(PKGS_CTL))
LIBS_TEST	= $(call pkg_libs,cmocka)

BPF_ARCH	:= $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
MULTIARCH	:= $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS	:= -target bpf -mcpu=v3 -O2 -g -Wall -Wextra $(WERROR) -D__TARGET_ARCH_$(BPF_ARCH) \
		   -Iinclude -Ibpf $(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH))

# --- Sources ----------------------------------------------------------------------------------------------------------

LIB_SRC		:= $(wildcard libvarp/*.c)
COMMON_SRC	:= $(wildcard ctl/common/*.c)
VARPD_SRC	:= $(wildcard ctl/varpd/*.c)
VARPCTL_SRC	:= $(wildcard ctl/varpctl/*.c)
EXAMPLE_SRC	:= $(wildcard docs/examples/*.c)

obj		= $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_OBJ		:= $(call obj,$(LIB_SRC))
COMMON_OBJ	:= $(call obj,$(COMMON_SRC))
VARPD_OBJ	:= $(call obj,$(VARPD_SRC))
VARPCTL_OBJ	:= $(call obj,$(VARPCTL_SRC))

# In a test directory test_*.c are programs; its other *.c are linked to each of them. tests/daemon, tests/netns,
# tests/attack and tests/tools hold scripts; a *.c there is a helper program of its own.
test_progs	= $(patsubst %.c,$(B)/%,$(wildcard tests/$(1)/test_*.c))
UNIT_TESTS	:= $(call test_progs,unit)
SCENARIO_TESTS	:= $(call test_progs,scenario)
BPF_TESTS	:= $(call test_progs,bpf)
FUZZ_TESTS	:= $(call test_progs,fuzz)
TEST_TOOLS	:= $(patsubst %.c,$(B)/%,$(wildcard tests/daemon/*.c tests/netns/*.c tests/tools/*.c tests/attack/*.c))
BENCH_TOOLS	:= $(patsubst tests/%.c,$(B)/%,$(wildcard tests/bench/*.c))
ATTACK_TESTS	:= $(wildcard tests/attack/test_*.sh)
E2E_TESTS	:= $(wildcard tests/daemon/test_*.sh tests/netns/test_*.sh) $(ATTACK_TESTS)
# Run once more with sanitizers in varpd and varpctl: what reads from strangers.
ASAN_E2E	:= $(filter tests/daemon/% %/test_first_packet.sh %/test_garbage.sh %/test_survive.sh,$(E2E_TESTS))
EXAMPLES	:= $(patsubst docs/%.c,$(B)/%,$(EXAMPLE_SRC))
USER_TESTS	:= $(UNIT_TESTS) $(SCENARIO_TESTS) $(FUZZ_TESTS)
SKEL		:= $(patsubst bpf/%.bpf.c,$(B)/gen/%.skel.h,$(wildcard bpf/*.bpf.c))
TEST_SKELS	:= $(patsubst tests/bpf/progs/%.bpf.c,$(B)/gen/%.skel.h,$(wildcard tests/bpf/progs/*.bpf.c))

# --- Main targets -----------------------------------------------------------------------------------------------------

all: $(B)/libvarp.a $(B)/libvarp.so $(B)/varpd $(B)/varpctl $(EXAMPLES) ## build into build/ (default)

help: ## this list
	@printf 'Usage: make [TARGET] [B=build] [PREFIX=/usr/local] [DESTDIR=] [V=1]\n\n'
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='	' read -r t d; do \
			printf '  %-20s %s\n' "$$t" "$$d"; \
		done

deps: ## install the packages that build and tests need (Debian, Ubuntu)
	$(Q)scripts/deps.sh build test

clean: ## remove what was built
	$(Q)rm -rf $(B) $(B)-asan $(B)-cov $(B)-fuzz

# --- BPF --------------------------------------------------------------------------------------------------------------

$(B)/gen/%.tmp.bpf.o: bpf/%.bpf.c | check-tools
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

# Linking strips DWARF and leaves BTF.
$(B)/gen/%.bpf.o: $(B)/gen/%.tmp.bpf.o
	$(call msg,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $<

$(B)/gen/%.skel.h: $(B)/gen/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Programs that only tests load.
$(B)/gen/%.tmp.bpf.o: tests/bpf/progs/%.bpf.c | check-tools
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

check-tools:
	@command -v $(CLANG) >/dev/null || { echo "varp: clang not found; 'make deps' installs it" >&2; exit 1; }
	@test -n "$(BPFTOOL)" || { echo "varp: no working bpftool found; 'make deps' installs it, or set BPFTOOL=" >&2; exit 1; }

check-libs:
	@for p in $(PKGS_CTL); do $(PKG_CONFIG) --exists $$p || { \
		echo "varp: library $$p not found; 'make deps' installs it" >&2; exit 1; }; done
	@$(PKG_CONFIG) --atleast-version=1.0 libbpf || { echo "varp: libbpf 1.0 or newer is needed" >&2; exit 1; }

.PHONY: check-tools check-libs

# --- Objects, libraries and programs ----------------------------------------------------------------------------------

$(B)/obj/%.o: %.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(VARP_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(VARP_CFLAGS) -c $< -o $@

# The skeleton must exist before the first compilation of what includes it; later the dependency files know.
$(VARPD_OBJ): | $(SKEL) check-libs
$(COMMON_OBJ) $(VARPCTL_OBJ): | check-libs
$(call obj,$(wildcard tests/bpf/*.c)): | $(SKEL) $(TEST_SKELS)

$(B)/libvarp.a: $(LIB_OBJ)
$(B)/libctl.a: $(COMMON_OBJ) $(filter-out %/main.o,$(VARPD_OBJ))
$(B)/libvarp.a $(B)/libctl.a:
	$(call msg,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(B)/libvarp.so.$(VERSION): $(LIB_OBJ)
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -shared $(VARP_LDFLAGS) $(LDFLAGS) -Wl,-soname,libvarp.so.$(SOVERSION) -o $@ $^ $(LIBS_LIB)

$(B)/libvarp.so: $(B)/libvarp.so.$(VERSION)
	$(Q)ln -sf libvarp.so.$(VERSION) $(B)/libvarp.so.$(SOVERSION)
	$(Q)ln -sf libvarp.so.$(SOVERSION) $@

link = $(CC) $(VARP_LDFLAGS) $(LDFLAGS) -o $@

$(B)/varpd: $(VARPD_OBJ) $(COMMON_OBJ) $(B)/libvarp.a
	$(call msg,LINK,$@)
	$(Q)$(link) $^ $(LIBS_CTL)

$(B)/varpctl: $(VARPCTL_OBJ) $(COMMON_OBJ) $(B)/libvarp.a
	$(call msg,LINK,$@)
	$(Q)$(link) $^ $(LIBS_CTL)

# Examples are what a user would write: public header, shared library.
$(B)/examples/%: docs/examples/%.c $(B)/libvarp.so
	$(call msg,EXAMPLE,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Iinclude $(CFLAGS) $(filter-out -fvisibility=hidden,$(VARP_CFLAGS)) $(VARP_LDFLAGS) $(LDFLAGS) -o $@ $< \
		-L$(B) -lvarp -Wl,-rpath,'$$ORIGIN/..'

# --- Test programs ----------------------------------------------------------------------------------------------------

# Unit tests of daemon modules link the daemon too; one whose namesake is in libvarp does without.
test_libs	= $(if $(filter fuzz,$(1)),$(B)/libctl.a,$(if $(wildcard libvarp/$(patsubst test_%,%,$(2)).[ch])$(filter-out unit,$(1)),,$(B)/libctl.a)) $(B)/libvarp.a

define test_rule
$(B)/tests/$(1)/$(2): $(B)/obj/tests/$(1)/$(2).o \
		$(call obj,$(filter-out tests/$(1)/test_% $(FUZZ_MAIN),$(wildcard tests/$(1)/*.c))) $(call test_libs,$(1),$(2))
	$$(call msg,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(link) $(if $(filter fuzz,$(1)),$(FUZZ_LDFLAGS)) $$^ $$(LIBS_CTL) $$(LIBS_TEST)
endef
$(foreach d,unit scenario bpf fuzz,$(foreach t,$(call test_progs,$(d)),$(eval $(call test_rule,$(d),$(notdir $(t))))))

# Certificates to test with are made as varpctl makes them.
$(B)/tests/unit/test_credentials: $(call obj,ctl/varpctl/pki_make.c)

# What the helper process does with the program.
$(B)/tests/bpf/test_answer: $(call obj,ctl/varpd/answer_shared.c ctl/varpd/answer_shared_pins.c ctl/varpd/log.c)

# These run the program itself.
$(filter $(B)/tests/unit/test_varpctl_%,$(UNIT_TESTS)): | $(B)/varpctl

$(TEST_TOOLS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/libvarp.a
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link) $^ $(LIBS_CTL)

$(call obj,tests/bench/floor.c): | $(TEST_SKELS)
$(BENCH_TOOLS): $(B)/%: $(B)/obj/tests/%.o $(B)/libvarp.a
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(link) $^ $(LIBS_CTL)

bench-all: all $(BENCH_TOOLS)
tests-user: $(USER_TESTS)
tests-all: all $(USER_TESTS) $(BPF_TESTS) $(TEST_TOOLS)
.PHONY: tests-user tests-all bench-all

# --- Running ----------------------------------------------------------------------------------------------------------

RUN		:= B="$(abspath $(B))" scripts/run-tests.sh
submake		= $(MAKE) -j$(NPROC)
# A compiler that warns of more than those we know must not keep a user from testing; in CI every warning counts.
tolerant	= $(if $(CI),,WERROR=)
ASAN_TESTS	= $(patsubst $(B)/%,$(B)-asan/%,$(USER_TESTS))
ASAN_SCRIPTS	= $(addprefix $(abspath $(B)-asan):,$(ASAN_E2E))

demo: ## lay a small supernet over namespaces and show it at work
	$(Q)scripts/deps.sh build demo
	$(Q)$(submake) WERROR= all
	$(Q)B="$(abspath $(B))" scripts/demo.sh

test: ## run every test that this machine can run
	$(Q)scripts/deps.sh build test
	$(Q)$(submake) $(tolerant) tests-all
	$(Q)$(submake) B=$(B)-asan SAN=1 WERROR= tests-all
	$(Q)$(submake) B=$(B)-cov COV=1 WERROR= tests-user
	$(Q)$(RUN) -j $(NPROC) scripts/check-layers.sh scripts/lint.sh $(USER_TESTS) $(ASAN_TESTS) \
		--serial scripts/coverage.sh scripts/check-install.sh scripts/check-demo.sh $(BPF_TESTS) $(E2E_TESTS) \
		$(ASAN_SCRIPTS)

test-unit: $(USER_TESTS) ## unit and scenario tests
	$(Q)$(RUN) -j $(NPROC) $^

test-bpf: $(BPF_TESTS) ## BPF programs fed with packets (root)
	$(Q)$(RUN) $^

test-e2e: all $(TEST_TOOLS) ## daemons and programs over network namespaces (root)
	$(Q)$(RUN) $(E2E_TESTS)

test-asan: ## user-space tests, daemon and tool with ASan and UBSan
	$(Q)$(submake) B=$(B)-asan SAN=1 WERROR= tests-all
	$(Q)$(RUN) -j $(NPROC) $(ASAN_TESTS) --serial $(ASAN_SCRIPTS)

# Every fast path off; and answers from XDP on, which are off by default on virtual interfaces, for what resolves. Scripts about one of
# them choose for themselves.
MATRIX_OFF	:= --merge no --answers userspace
MATRIX_ON	:= --answers xdp-generic
MATRIX_ON_TESTS	:= $(addprefix tests/netns/test_,$(addsuffix .sh,families negative aging two_supernets api scan mtu))
MATRIX_TESTS	= $(filter-out %/test_merge.sh %/test_answer.sh,$(filter tests/netns/%,$(E2E_TESTS)))

test-matrix: all $(TEST_TOOLS) ## end-to-end tests with every fast path off, and with all of them on (root)
	$(Q)rc=0; export VARP_ALLOWED_SKIPS=tests/matrix-skips; \
	VARP_TEST_LOGS=$(B)/test-matrix/off VARP_TC=clsact VARP_TEST_OPTIONS="$(MATRIX_OFF)" $(RUN) $(MATRIX_TESTS) || rc=1; \
	VARP_TEST_LOGS=$(B)/test-matrix/on VARP_TEST_OPTIONS="$(MATRIX_ON)" $(RUN) $(MATRIX_ON_TESTS) || rc=1; \
	exit $$rc

MATRIX_KERNEL_TESTS = $(shell grep -lE '^[#] kernels: (yes|slow)$$' $(MATRIX_TESTS))

test-matrix-kernels: ## end-to-end tests with every fast path off, in the stock 6.1 and 6.12 kernels
	$(Q)scripts/deps.sh build test kernels
	$(Q)$(submake) $(tolerant) tests-all
	$(Q)VARP_TC=clsact VARP_TEST_OPTIONS="$(MATRIX_OFF)" VARP_KERNEL_TESTS="$(MATRIX_KERNEL_TESTS)" \
	VARP_KERNEL_RESULTS="$(abspath $(B))/test-matrix/kernels" VARP_ALLOWED_SKIPS=tests/kernel/allowed-skips B="$(abspath $(B))" tests/kernel/run.sh

test-attack: all $(TEST_TOOLS) ## the attacks at full size (six minutes; root)
	$(Q)VARP_ATTACK=full TEST_TIMEOUT=1200 $(RUN) $(ATTACK_TESTS)

fuzzers: $(FUZZ_TESTS)
.PHONY: fuzzers

fuzz: ## fuzz every parser, each for FUZZ_SECONDS=600 (clang with libFuzzer)
	$(Q)scripts/deps.sh build test fuzz
	$(Q)$(submake) B=$(B)-fuzz CC=$(CLANG) FUZZ=1 WERROR= fuzzers
	$(Q)B="$(abspath $(B)-fuzz)" tests/fuzz/run.sh

coverage: ## line coverage of libvarp, at least 90 %
	$(Q)$(submake) B=$(B)-cov COV=1 WERROR= tests-user
	$(Q)$(RUN) scripts/coverage.sh

test-kernels: ## BPF and end-to-end tests in the stock 6.1 and 6.12 kernels
	$(Q)scripts/deps.sh build test kernels
	$(Q)$(submake) $(tolerant) tests-all
	$(Q)B="$(abspath $(B))" tests/kernel/run.sh

bench: ## the benchmark (half an hour; root)
	$(Q)scripts/deps.sh build bench
	$(Q)$(submake) bench-all
	$(Q)B="$(abspath $(B))" tests/bench/run

bench-quick: ## the benchmark in two minutes: does all of it work, and about how fast is it (root)
	$(Q)scripts/deps.sh build bench
	$(Q)$(submake) bench-all
	$(Q)B="$(abspath $(B))" tests/bench/run --quick

check-layers: ## dependencies run one way
	$(Q)$(RUN) scripts/check-layers.sh

lint: ## check the shell scripts
	$(Q)$(RUN) scripts/lint.sh

# --- Installing -------------------------------------------------------------------------------------------------------

subst_paths = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' \
	-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|@VERSION@|$(VERSION)|g' \
	-e 's|@LIBS_PRIVATE@|$(LIBS_LIB)|g'
D	= $(DESTDIR)
MANS	:= $(wildcard docs/man/*.[1-9])
UNITS	:= $(wildcard systemd/*.service systemd/*.socket)
HEADERS	:= include/varp/varp.h include/varp/wire.h

install: all ## install under PREFIX (and DESTDIR)
	$(call msg,INSTALL,$(D)$(PREFIX))
	$(Q)install -d $(D)$(SBINDIR) $(D)$(LIBDIR)/pkgconfig $(D)$(INCLUDEDIR)/varp $(D)$(UNITDIR) $(D)$(COMPDIR) \
		$(D)$(DOCDIR) $(D)$(SYSCONFDIR)/varp
	$(Q)install -m 755 $(B)/varpd $(B)/varpctl $(D)$(SBINDIR)
	$(Q)install -m 644 $(B)/libvarp.a $(D)$(LIBDIR)
	$(Q)install -m 755 $(B)/libvarp.so.$(VERSION) $(D)$(LIBDIR)
	$(Q)ln -sf libvarp.so.$(VERSION) $(D)$(LIBDIR)/libvarp.so.$(SOVERSION)
	$(Q)ln -sf libvarp.so.$(SOVERSION) $(D)$(LIBDIR)/libvarp.so
	$(Q)install -m 644 $(HEADERS) $(D)$(INCLUDEDIR)/varp
	$(Q)$(subst_paths) varp.pc.in > $(D)$(LIBDIR)/pkgconfig/libvarp.pc
	$(Q)install -d $(D)$(SYSUSERSDIR) && install -m 644 systemd/varp.sysusers $(D)$(SYSUSERSDIR)/varp.conf
	$(Q)for u in $(UNITS); do $(subst_paths) $$u > $(D)$(UNITDIR)/$${u##*/}; done
	$(Q)for m in $(MANS); do install -d $(D)$(MANDIR)/man$${m##*.}; install -m 644 $$m $(D)$(MANDIR)/man$${m##*.}; done
	$(Q)$(B)/varpctl completion bash > $(D)$(COMPDIR)/varpctl
	$(Q)install -m 644 LICENSE $(wildcard README.md) $(D)$(DOCDIR)
	$(Q)if [ -f docs/varpd.conf.example ]; then install -m 644 docs/varpd.conf.example $(D)$(DOCDIR); \
		test -e $(D)$(SYSCONFDIR)/varp/varpd.conf || \
		install -m 644 docs/varpd.conf.example $(D)$(SYSCONFDIR)/varp/varpd.conf; fi
	$(Q)if [ -z "$(D)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; \
		getent passwd varp >/dev/null || systemd-sysusers $(SYSUSERSDIR)/varp.conf || \
		useradd --system --user-group --no-create-home --shell /usr/sbin/nologin varp; fi

uninstall: ## remove what install put there; configuration and state stay
	$(Q)rm -f $(D)$(SBINDIR)/varpd $(D)$(SBINDIR)/varpctl $(D)$(LIBDIR)/libvarp.a $(D)$(LIBDIR)/libvarp.so \
		$(D)$(LIBDIR)/libvarp.so.$(SOVERSION) $(D)$(LIBDIR)/libvarp.so.$(VERSION) \
		$(D)$(LIBDIR)/pkgconfig/libvarp.pc $(D)$(COMPDIR)/varpctl $(D)$(SYSUSERSDIR)/varp.conf
	$(Q)rm -f $(foreach u,$(notdir $(UNITS)),$(D)$(UNITDIR)/$(u)) \
		$(foreach m,$(notdir $(MANS)),$(D)$(MANDIR)/man$(patsubst .%,%,$(suffix $(m)))/$(m))
	$(Q)rm -rf $(D)$(INCLUDEDIR)/varp $(D)$(DOCDIR)

.PHONY: all help deps clean demo test test-unit test-bpf test-e2e test-asan test-matrix test-matrix-kernels test-attack fuzz coverage test-kernels bench bench-quick check-layers lint \
	install uninstall

-include $(shell find $(B) -name '*.d' 2>/dev/null)
