#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that dependencies run one way, and reports as TAP. Called by `make check-layers` and `make test`.
#
#   bpf, libvarp            know include/varp and themselves
#   libvarp's core          has no sockets, clocks, threads, printing; varpdb*.c, the daemon's client, may
#   ctl/common              knows libvarp
#   ctl/varpd, ctl/varpctl  know libvarp and ctl/common, never each other
#   the skeletons           are included by ctl/varpd/datapath*.c and answer*.c, each its own (and by the BPF tests)
set -u
cd "$(dirname "$0")/.." || exit 1
shopt -s nullglob
n=0

report() { # NAME OFFENDING-LINES
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf '%s\n' "$2" | sed 's/^/#   /'
	fi
}

# Lines "FILE:LINE:HEADER" of the #include directives of the given files.
includes() {
	[ $# -eq 0 ] || grep -HnE '^[[:space:]]*#[[:space:]]*include' "$@" |
		sed -E 's/^([^:]*:[0-9]+:)[^<"]*([<"][^>"]*).*/\1\2/'
}

# Quoted headers that do not name a file of one of the given directories.
foreign() { # DIRS -- FILES
	local dirs=() line header dir found
	while [ "$1" != -- ]; do dirs+=("$1"); shift; done
	shift
	while IFS= read -r line; do
		header=${line#*\"}
		found=
		for dir in "${dirs[@]}"; do
			case $header in ../*) ;; *) if [ -f "$dir/$header" ]; then found=1; fi ;; esac
		done
		[ -n "$found" ] || echo "$line"
	done < <(includes "$@" | grep -F '"')
}

bpf=(bpf/*.[ch])
lib=(libvarp/*.[ch])
core=()
for f in "${lib[@]}"; do
	case $f in libvarp/varpdb*) ;; *) core+=("$f") ;; esac
done
common=(ctl/common/*.[ch])
varpd=(ctl/varpd/*.[ch])
varpctl=(ctl/varpctl/*.[ch])
public=(include/varp/*.h)

report "public headers include only system headers and each other" \
	"$(includes "${public[@]}" | grep -vE '<(varp/|linux/|netinet/|std)' )"
report "bpf includes only include/varp, kernel and libbpf headers" \
	"$(foreign bpf include -- "${bpf[@]}"
	   includes "${bpf[@]}" | grep -F '<' | grep -vE '<(varp/(abi|siphash|wire)\.h|linux/|bpf/|asm/|std)')"
report "libvarp includes only include/varp and itself" "$(foreign libvarp include . -- "${lib[@]}"
	includes "${lib[@]}" | grep -E '"(ctl|bpf)/|<(bpf|event2|event|sqlite3|libmnl|ini)')"
report "libvarp's core includes no sockets, clocks, threads or files" "$(includes "${core[@]}" |
	grep -E '<(sys/(socket|time|select|epoll|un|ioctl|stat|types)\.h|time\.h|pthread\.h|poll\.h|unistd\.h|fcntl\.h|syslog\.h|signal\.h|jansson)')"
# Of sys/mman.h only madvise() is used, a hint.
report "libvarp's core calls no clock, socket, mapping or printing function" "$([ ${#core[@]} -eq 0 ] || grep -HnE \
	'(^|[^A-Za-z0-9_."])(printf|fprintf|vprintf|vfprintf|puts|fputs|perror|syslog|time|clock_gettime|gettimeofday|socket|sendto|recvfrom|getenv|exit|abort|rand|random|getrandom|mmap|munmap|mremap|mprotect|mlock|shm_open)[[:space:]]*\(' \
	"${core[@]}" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(\*|/\*|//)')"
report "libvarp's core keeps no global state" "$([ ${#core[@]} -eq 0 ] || grep -HnE \
	'^(static )?(struct |unsigned |u?int|char |bool |size_t )[A-Za-z0-9_ *]*(\[[^]]*\])?[[:space:]]*(=.*)?;' "${core[@]}" |
	grep -vE 'const |extern |\(' | grep -E '\.c:')"
report "ctl/common knows libvarp alone" "$(foreign ctl/common libvarp include . -- "${common[@]}"
	includes "${common[@]}" | grep -E '"(\.\./|ctl/varp|varpd/|varpctl/)')"
report "ctl/varpd never includes ctl/varpctl" "$(foreign ctl/varpd ctl/common libvarp include . build/gen "${B:-build}/gen" -- "${varpd[@]}" |
	grep -vE '(varp|answer)\.skel\.h'
	includes "${varpd[@]}" | grep -E 'varpctl/')"
report "ctl/varpctl never includes ctl/varpd" "$(foreign ctl/varpctl ctl/common libvarp include . -- "${varpctl[@]}"
	includes "${varpctl[@]}" | grep -E 'varpd/')"
report "only the datapath and the BPF tests include the skeleton" "$(grep -rHn --include='*.[ch]' 'include.*varp\.skel\.h' \
	ctl libvarp tests docs 2>/dev/null | grep -vE '^(ctl/varpd/datapath[^/]*|tests/bpf/[^/]*)\.[ch]:')"
report "only answer*.c and the BPF tests include the answers' skeleton" "$(grep -rHn --include='*.[ch]' 'include.*answer\.skel\.h' \
	ctl libvarp tests docs 2>/dev/null | grep -vE '^(ctl/varpd/answer[^/]*|tests/bpf/[^/]*)\.[ch]:')"
echo "1..$n"
