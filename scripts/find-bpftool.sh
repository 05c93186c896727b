#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Prints the path of a bpftool that works. Ubuntu's /usr/sbin/bpftool is a wrapper which refuses to run unless the tools of
# the very kernel that is running are installed; the real programs lie under /usr/lib/linux-tools*. The Makefile calls this.
for tool in "$(command -v bpftool)" /usr/sbin/bpftool /usr/local/sbin/bpftool \
	/usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool; do
	if [ -x "$tool" ] && "$tool" version >/dev/null 2>&1; then
		echo "$tool"
		exit 0
	fi
done
exit 0
