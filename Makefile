# SPDX-License-Identifier: Apache-2.0
# holdfast: build, test, fuzz, lint, install. The only place flags are written. `make help` lists.

comma := ,
B ?= build
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PREFIX ?= /usr/local
V ?=
FUZZ_SECS ?= 30
MAKEFLAGS += --no-print-directory
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARN) $(HARDEN) -pthread -Iuser -I. -I$(B) $(SANFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now,--as-needed -pthread $(SANFLAGS)
LIBS := -lbpf -lcrypto -lsqlite3 -lpg_query -lyaml -ljansson -lseccomp -lcap -lpcre2-8 -lcurl -lresolv -lz
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Werror -Wpadded -Ibpf -Ivmlinux

SRC := $(sort $(filter-out user/daemon/main.c user/cli/main.c,$(shell find user -name '*.c')))
OBJ := $(SRC:%.c=$(B)/%.o)
SQL_H := $(B)/estimate.sql.h $(B)/hidden.sql.h $(B)/impact.sql.h
LIB := $(B)/libholdfast.a
BPF_SRC := $(sort $(wildcard bpf/*.bpf.c))
# The sweep attaches to nothing and may be missing: an object of its own.
BPF_OBJ := $(filter-out $(B)/bpf/sweep.bpf.o,$(BPF_SRC:%.c=$(B)/%.o))
SKEL := $(B)/intercept.skel.h $(B)/sweep.skel.h
UNIT_SRC := $(sort $(shell find tests/unit -name '*.c'))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all helpers test unit san e2e lint format fuzz vm soak bench benchledger install clean help

all: $(B)/holdfastd $(B)/holdfast ## build holdfastd and holdfast into build/ (V=1 shows commands)

$(B)/holdfastd: $(B)/user/daemon/main.o $(LIB)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/holdfast: $(B)/user/cli/main.o $(LIB)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The kernel side: one object from all hooks, one skeleton; and the sweep. The headers come from vmlinux/, never from
# the running kernel.
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call msg,BPF,$<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/intercept.bpf.o: $(BPF_OBJ)
	$(call msg,GENOBJ,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/intercept.skel.h: $(B)/intercept.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name intercept > $@

$(B)/sweep.skel.h: $(B)/bpf/sweep.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name sweep_object > $@

$(filter $(B)/user/kern/%,$(OBJ)): | $(SKEL)

# The audit schema is SQL for people to read; the library carries it as text.
$(B)/schema.sql.h: user/audit/schema.sql
	$(call msg,TEXT,$<)
	$(Q)mkdir -p $(@D) && { printf 'static const char schema_sql[] =\n'; \
		sed -e 's/\\/\\\\/g; s/"/\\"/g; s/^/\t"/; s/$$/\\n"/' $<; printf ';\n'; } > $@

$(filter $(B)/user/audit/%,$(OBJ)): | $(B)/schema.sql.h

# Questions about a database's objects, without their comments, their shorthand written out.
$(SQL_H): $(B)/%.sql.h: user/sql/%.sql
	$(call msg,TEXT,$<)
	$(Q)mkdir -p $(@D) && { printf 'static const char $*_sql[] =\n'; \
		sed -e '/^[\t ]*--/d; s/^\t*//' -e 's/{\([-=<>!~&|]*\)}/OPERATOR(pg_catalog.\1)/g' \
			-e "s/{\(pg_[a-z_]*\)}/'pg_catalog.\1'::pg_catalog.regclass::pg_catalog.oid/g" \
			-e 's/{own}/16384::pg_catalog.oid/g' -e "s/{'\(.\)'}/'\1'::pg_catalog.\"char\"/g" \
			-e 's/\\/\\\\/g; s/"/\\"/g; s/^/\t"/; s/$$/\\n"/' $<; printf ';\n'; } > $@

$(filter $(B)/user/sql/%,$(OBJ)): | $(SQL_H)

# Unit tests: one Criterion binary over the real library. M=policy builds and runs only that layer and
# what is below it. ASan's own leak check is judged by its log, since Criterion reports PASS on leaks.
ifdef M
UNIT_OBJ := $(patsubst %.c,$(B)/%.o,$(shell find user/util user/fact $(if $(filter priv,$(M)),user/kern user/net) user/$(M) tests/unit/$(M) -name '*.c' 2>/dev/null) $(wildcard tests/unit/*.c))
$(B)/unit-$(M): $(UNIT_OBJ)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcriterion
unit: $(B)/unit-$(M) ## run the unit tests (M=policy: one layer; T='glob': some; SAN=1: sanitizers)
	$(Q)scripts/run-unit $(B)/unit-$(M) '$(T)'
else
$(B)/unit: $(UNIT_SRC:%.c=$(B)/%.o) $(LIB)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcriterion
unit: $(B)/unit
	$(Q)scripts/run-unit $(B)/unit '$(T)'
endif

# Fuzzers: libFuzzer, the library built with coverage and sanitizers into its own folder.
$(B)/fuzz/%: tests/fuzz/%.c $(SRC) | $(SKEL) $(B)/schema.sql.h $(SQL_H)
	$(call msg,FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -Iuser -I. -I$(B) -o $@ $< \
		$$(sed -n 's/^ \* fuzz-links: //p' $<) -pthread $(LIBS)

fuzz: $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%) ## run every fuzzer for FUZZ_SECS=30 seconds each (SEED=… repeats)
	$(Q)scripts/run-fuzz $(B)/fuzz $(FUZZ_SECS)

# Programs that the root-only tests run inside a controlled run; benchmarks link the library too.
HELPERS := $(patsubst %.c,$(B)/%,$(wildcard tests/e2e/*.c tests/escape/*.c tests/transparent/*.c))
BENCHES := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
$(BENCHES) $(B)/tests/transparent/lexdiff: $(LIB)
$(B)/tests/%: tests/%.c
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(CFLAGS) -I/usr/include/postgresql $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lpq

# The root-only tests of the kernel side and of runs link the real thing too.
ROOT_TESTS := $(B)/kern-test $(B)/tests/run/warden $(B)/tests/run/probe
$(B)/kern-test: $(patsubst %.c,$(B)/%.o,$(wildcard tests/kern/*.c)) $(LIB)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(B)/tests/run/warden $(B)/tests/run/probe: %: %.o $(LIB)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

helpers: all $(HELPERS)

e2e: helpers ## run the end-to-end tests (root; T='glob': some)
	$(Q)B=$(B) tests/e2e/run '$(T)'

test: helpers $(ROOT_TESTS) ## run everything: units, kernel, runs, policies, e2e, escapes, faults, short fuzz (root; T='glob': some parts)
	$(Q)B=$(B) scripts/run-tests '$(T)'

vm: helpers $(ROOT_TESTS) ## some tests on Debian 12's own kernel, in QEMU (root; T='kern e2e:hold': which)
	$(Q)tests/vm/run $(T)

soak: ## test with the full numbers: fuzz (FUZZ_SECS=600 a target), large results, many kills (two hours)
	$(Q)SOAK=1 FUZZ_SECS=$(if $(filter file,$(origin FUZZ_SECS)),600,$(FUZZ_SECS)) $(MAKE) B=$(B) test

bench: all $(BENCHES) ## pgbench: direct, HAProxy, pgbouncer, holdfast, interleaved (BENCH_SECS=5 BENCH_ROUNDS=3); what others pay
	$(Q)B=$(B) tests/bench/run
	$(Q)B=$(B) tests/bench/outside

benchledger: all $(BENCHES) ## what the ledger costs: rows/s, latency by durability, size, retention (BENCH_SECS=5)
	$(Q)B=$(B) tests/bench/ledger

san: ## build and run the unit tests with ASan and UBSan, in build/san
	$(Q)$(MAKE) B=build/san SAN=1 unit

# One stamp a file: what did not change is not looked at again.
$(B)/tidy/%: %.c .clang-tidy | $(SKEL) $(B)/schema.sql.h $(SQL_H)
	$(call msg,TIDY,$<)
	$(Q)mkdir -p $(@D) && clang-tidy --quiet $< -- -std=gnu11 -D_GNU_SOURCE -Iuser -I. -I$(B) 2>$@.log \
		|| { cat $@.log; false; }
	$(Q)touch $@

lint: $(patsubst %.c,$(B)/tidy/%,$(SRC) user/daemon/main.c user/cli/main.c) ## layers, README map, sizes, banned words, format, clang-tidy, shellcheck
	$(Q)scripts/lint

format: ## clang-format every C file
	$(Q)find bpf user tests -name '*.[ch]' | xargs clang-format -i

install: all ## install below DESTDIR=, PREFIX=/usr/local: programs, policies, unit, users, completion
	$(Q)B=$(B) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/install

clean: ## remove build/
	$(Q)rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

-include $(shell find $(B) -name '*.d' 2>/dev/null)

