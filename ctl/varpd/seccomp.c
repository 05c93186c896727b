// SPDX-License-Identifier: BSD-2-Clause
/*
 * See seccomp.h. Lists of what is allowed, by libseccomp. Anything else fails with EPERM, so that a
 * C library that tries something newer falls back instead of ending a daemon; but what no part of
 * varpd ever does and only an intruder wants ends the process at once.
 *
 * Names that this libseccomp or this architecture does not know are left out.
 */
#include "seccomp.h"

#include <errno.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/socket.h>

/* Memory, time, signals, files that are open, and ending. */
static const char *const basic[] = {
	"read", "readv", "write", "writev", "close", "fstat", "newfstatat", "fstat64", "fstatat64",
	"statx", "lseek", "_llseek", "fcntl", "fcntl64", "dup", "dup2", "dup3", "mmap", "mmap2",
	"munmap", "mremap", "mprotect", "madvise", "brk", "futex", "futex_time64", "rseq",
	"set_robust_list", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
	"sigaltstack", "restart_syscall", "clock_gettime", "clock_gettime64", "clock_getres",
	"gettimeofday", "time", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64",
	"sched_yield", "getrandom", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid",
	"exit", "exit_group", "tgkill", "sendmsg", "recvmsg", "open", "openat", "readlink",
	"readlinkat", "fstatfs", "fstatfs64", "getdents64", "unlink", "unlinkat", "rmdir",
	"flock",
};

static const char *const daemon_calls[] = {
	/* the loop */
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll",
	"ppoll_time64", "select", "pselect6", "_newselect", "eventfd2", "timerfd_create",
	"timerfd_settime", "timerfd_settime64", "timerfd_gettime", "pipe", "pipe2", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch",
	/* sockets; which families, below */
	"connect", "accept", "accept4", "bind", "listen", "shutdown", "getsockname", "getpeername",
	"getsockopt", "setsockopt", "sendto", "recvfrom", "sendmmsg", "recvmmsg",
	"recvmmsg_time64", "ioctl",
	/* the store, the log, the run directory */
	"stat", "stat64", "lstat", "lstat64", "access", "faccessat", "faccessat2", "pread64",
	"pwrite64", "preadv", "pwritev", "fsync", "fdatasync", "ftruncate", "ftruncate64",
	"fallocate", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "chmod", "fchmod",
	"fchmodat", "fchown", "fchown32", "umask", "getcwd", "statfs", "statfs64",
	"wait4",	/* for the helper, once it has ended */
	/* what libraries ask */
	"uname", "sysinfo", "getrlimit", "ugetrlimit", "getrusage", "getppid", "getresuid",
	"getresgid", "getgroups", "capget", "sched_getaffinity", "membarrier", "times", "getcpu",
};

static const char *const helper_calls[] = {
	"setns", "ioctl", "accept4",
};

/* What libxdp and libbpf do to put a program beside others: files, and a netlink socket. */
static const char *const helper_xdp_calls[] = {
	"bind", "getsockname", "getsockopt", "setsockopt", "sendto", "recvfrom", "poll", "stat",
	"stat64", "lstat", "lstat64", "access", "faccessat", "faccessat2", "statfs", "statfs64",
	"mkdir", "mkdirat", "pread64", "uname", "sched_getaffinity",
	"memfd_create",		/* libbpf from 1.4 on: a descriptor that keeps a map's place */
};

/* Of bpf(2): descriptors that are there, and links to programs that are loaded. */
static const int bpf_commands[] = {
	BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY, BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_LOOKUP_BATCH,
	BPF_MAP_LOOKUP_AND_DELETE_BATCH, BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH, BPF_OBJ_PIN,
	BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_QUERY, BPF_LINK_CREATE, BPF_LINK_UPDATE,
	BPF_LINK_DETACH,
};

static const int helper_bpf_commands[] = {
	BPF_MAP_CREATE, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_FREEZE, BPF_PROG_LOAD,
	BPF_PROG_BIND_MAP, BPF_BTF_LOAD, BPF_OBJ_PIN, BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD,
	BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID, BPF_BTF_GET_FD_BY_ID, BPF_LINK_CREATE,
	BPF_RAW_TRACEPOINT_OPEN,
};

static const int daemon_families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
static const int helper_families[] = { AF_UNIX, AF_NETLINK };

static const char *const hostile[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "mount",
	"umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "unshare",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"swapon", "swapoff", "acct", "settimeofday", "clock_settime", "adjtimex", "iopl", "ioperm",
	"add_key", "keyctl", "request_key", "userfaultfd", "perf_event_open", "open_by_handle_at",
	"io_uring_setup", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
	"setgroups", "setfsuid", "setfsgid", "capset", "pidfd_getfd",
};

static int add(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number == __NR_SCMP_ERROR)
			continue;
		err = seccomp_rule_add(filter, action, number, 0);
		/* One that other architectures have under this number's place */
		if (err == -EDOM || err == -EINVAL)
			err = 0;
	}
	return err;
}

static int allow_value(scmp_filter_ctx filter, int number, int value)
{
	struct scmp_arg_cmp first = { .arg = 0, .op = SCMP_CMP_EQ, .datum_a = value };

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &first);
}

/* Allows a call for those values of its first argument. */
static int add_values(scmp_filter_ctx filter, const char *name, const int *values, size_t count)
{
	int number = seccomp_syscall_resolve_name(name), err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = allow_value(filter, number, values[i]);
	return err;
}

/* Reading limits is harmless, and so is their being lowered; others' are not ours. */
static int add_own_limits(scmp_filter_ctx filter)
{
	return allow_value(filter, SCMP_SYS(prlimit64), 0);
}

#define LIST(list) list, sizeof(list) / sizeof((list)[0])

static int fill_daemon(scmp_filter_ctx filter)
{
	int err = add(filter, SCMP_ACT_ALLOW, LIST(daemon_calls));

	if (!err)
		err = add_values(filter, "socket", LIST(daemon_families));
	if (!err)
		err = add_values(filter, "bpf", LIST(bpf_commands));
	if (!err)
		err = add_own_limits(filter);
	return err;
}

static int fill_helper(scmp_filter_ctx filter)
{
	int err = add(filter, SCMP_ACT_ALLOW, LIST(helper_calls));

	return err ? err : add_values(filter, "socket", LIST(helper_families));
}

static int fill_helper_xdp(scmp_filter_ctx filter)
{
	int err = fill_helper(filter);

	if (!err)
		err = add(filter, SCMP_ACT_ALLOW, LIST(helper_xdp_calls));
	if (!err)
		err = add_values(filter, "bpf", LIST(helper_bpf_commands));
	if (!err)
		err = add_own_limits(filter);
	return err;
}

int seccomp_install(enum seccomp_filter which)
{
	static int (*const fill[])(scmp_filter_ctx filter) = {
		[SECCOMP_DAEMON]	= fill_daemon,
		[SECCOMP_HELPER]	= fill_helper,
		[SECCOMP_HELPER_XDP]	= fill_helper_xdp,
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = add(filter, SCMP_ACT_ALLOW, LIST(basic));
	if (!err)
		err = fill[which](filter);
	if (!err)
		err = add(filter, SCMP_ACT_KILL_PROCESS, LIST(hostile));
	if (!err && which == SECCOMP_DAEMON) {
		static const char *const entering[] = { "setns" };

		err = add(filter, SCMP_ACT_KILL_PROCESS, LIST(entering));
	}
	/* Loads it; no new privileges are set by privileges.c, and here once more. */
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
