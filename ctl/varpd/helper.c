// SPDX-License-Identifier: BSD-2-Clause
/*
 * See helper.h. One request and one answer at a time over a pair of sockets; descriptors travel as
 * SCM_RIGHTS. helper_ops.c carries requests out; this file is what both processes know of each
 * other.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "helper_internal.h"
#include "log.h"
#include "privileges.h"

static int channel = -1;
static pid_t child;
static bool ended;

/* --- Messages, either way --- */

#define FDS_LEN(count)	((count) * sizeof(int))

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(FDS_LEN(HELPER_GIVEN_MAX))];
};

/* The first fd that is -1 ends the list. 0 or -errno */
static int send_message(int sock, const void *data, size_t len, const int fds[HELPER_GIVEN_MAX])
{
	size_t count = 0;
	union control control = { .room = "" };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	while (count < HELPER_GIVEN_MAX && fds[count] >= 0)
		count++;
	if (count) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(FDS_LEN(count));
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(FDS_LEN(count)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), fds, FDS_LEN(count));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EPIPE;
}

static void close_all(int fds[HELPER_GIVEN_MAX])
{
	for (size_t i = 0; i < HELPER_GIVEN_MAX; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Whatever came, it is ours to close. */
static void take_fds(const struct cmsghdr *header, int fds[HELPER_GIVEN_MAX])
{
	size_t len = header ? header->cmsg_len - CMSG_LEN(0) : 0;

	for (size_t i = 0; i < HELPER_GIVEN_MAX; i++)
		fds[i] = -1;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    len <= FDS_LEN(HELPER_GIVEN_MAX))
		memcpy(fds, CMSG_DATA(header), len);
}

/* fds: what came along, then -1. 0, or -errno without any. */
static int receive_message(int sock, void *data, size_t len, int fds[HELPER_GIVEN_MAX])
{
	union control control;
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	take_fds(n > 0 ? CMSG_FIRSTHDR(&msg) : NULL, fds);
	if (n == (ssize_t)len && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	close_all(fds);
	/* There was no room for the descriptors that came along. */
	return n == (ssize_t)len ? -EMFILE : -EPIPE;
}

/* --- The helper's side --- */

static void serve(int sock, const struct helper_setup *setup)
{
	struct helper_request request;
	struct helper_answer answer;
	int given[HELPER_GIVEN_MAX], made[HELPER_GIVEN_MAX] = { -1, -1 };

	while (!receive_message(sock, &request, sizeof(request), given)) {
		request.path[sizeof(request.path) - 1] = '\0';
		made[0] = helper_carry_out(setup, &request, given);
		answer = (struct helper_answer){ .result = made[0] < 0 ? made[0] : 0 };
		if (!helper_makes_descriptor(&request))
			made[0] = -1;
		if (send_message(sock, &answer, sizeof(answer), made))
			break;
		close_all(made);
		close_all(given);
	}
}

/* Signals for the group of processes are for the daemon, after whose end there is nothing to do. */
static void run(int sock, const struct helper_setup *setup)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct varpd_error error;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "varpd-helper");
	if (privileges_limit_helper(setup->xdp, &error)) {
		varpd_log(VARPD_LOG_ERROR, "helper: %s", error.text);
		_exit(1);
	}
	serve(sock, setup);
	_exit(0);
}

static int connect_to_service(const char *instance)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s.sock", HELPER_SOCKET_DIR, instance);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&name, sizeof(name)))
		return fd;
	close(fd);
	return -errno;
}

/* systemd's: sd_listen_fds(3) */
#define LISTEN_FD	3

int helper_serve(const struct helper_setup *setup, struct varpd_error *error)
{
	const char *count = getenv("LISTEN_FDS");
	int err, sock;

	if (!count || strcmp(count, "1"))
		return varpd_fail(error, -EINVAL,
				  "the helper is started by systemd with its socket: enable "
				  "varpd-helper@%s.socket", setup->instance);
	err = privileges_limit_helper(setup->xdp, error);
	if (err)
		return err;
	do {
		sock = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
	} while (sock < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (sock < 0)
		return varpd_fail(error, -errno, "cannot accept varpd's connection: %s",
				  strerror(errno));
	serve(sock, setup);
	close(sock);
	return 0;
}

int helper_start(const struct helper_setup *setup, struct varpd_error *error)
{
	int pair[2];

	/* Forked from this, it could do no more than varpd. */
	if (geteuid()) {
		channel = connect_to_service(setup->instance);
		if (channel >= 0)
			return 0;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return varpd_fail(error, -errno, "cannot make a pair of sockets: %s",
				  strerror(errno));
	child = fork();
	if (child < 0) {
		close(pair[0]);
		close(pair[1]);
		return varpd_fail(error, -errno, "cannot start the helper process: %s",
				  strerror(errno));
	}
	if (!child) {
		close(pair[0]);
		run(pair[1], setup);
	}
	close(pair[1]);
	channel = pair[0];
	return 0;
}

void helper_stop(void)
{
	if (channel < 0)
		return;
	close(channel);
	channel = -1;
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* --- The daemon's side --- */

bool helper_runs(void)
{
	return channel >= 0;
}

int helper_descriptor(void)
{
	return channel;
}

bool helper_ended(void)
{
	struct pollfd fd = { .fd = channel };

	if (ended || poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLHUP))
		return ended;
	ended = true;
	varpd_log(VARPD_LOG_ERROR, "%s", HELPER_ENDED);
	if (child > 0)
		waitpid(child, NULL, 0);
	child = 0;
	return true;
}

/* What the request returned; a descriptor if it makes one. */
static int ask(const struct helper_request *request, int given, int given_too)
{
	const int fds[HELPER_GIVEN_MAX] = { given, given_too };
	int made[HELPER_GIVEN_MAX], err;
	struct helper_answer answer;

	err = send_message(channel, request, sizeof(*request), fds);
	if (!err)
		err = receive_message(channel, &answer, sizeof(answer), made);
	if (err) {
		helper_ended();
		return err;
	}
	if (answer.result || !helper_makes_descriptor(request))
		return answer.result;
	return made[0] >= 0 ? made[0] : -EPIPE;
}

static int ask_by_path(enum helper_what what, const char *path)
{
	struct helper_request request = { .what = what };

	if (strlen(path) >= sizeof(request.path))
		return -ENAMETOOLONG;
	strcpy(request.path, path);
	return ask(&request, -1, -1);
}

int helper_open_netns(const char *path)
{
	return ask_by_path(HELPER_NETNS, path);
}

int helper_open_socket(int netns_fd, enum helper_socket kind)
{
	return ask(&(struct helper_request){ .what = HELPER_SOCKET, .arg = kind }, netns_fd, -1);
}

int helper_open_file(const char *path)
{
	return ask_by_path(HELPER_FILE, path);
}

FILE *helper_fopen(const char *path)
{
	FILE *file = fopen(path, "re");
	int fd;

	if (file || errno != EACCES || !helper_runs())
		return file;
	fd = helper_open_file(path);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

int helper_remove_run_dir(void)
{
	return ask_by_path(HELPER_REMOVE_RUN_DIR, "");
}

int helper_remove_pins(void)
{
	return ask_by_path(HELPER_REMOVE_PINS, "");
}

int helper_xdp_join(int netns_fd, int program_fd, uint32_t ifindex, bool generic)
{
	return ask(&(struct helper_request){ .what = HELPER_XDP_JOIN, .arg = ifindex,
					     .generic = generic }, netns_fd, program_fd);
}

int helper_xdp_leave(int netns_fd, uint32_t ifindex)
{
	return ask(&(struct helper_request){ .what = HELPER_XDP_LEAVE, .arg = ifindex }, netns_fd,
		   -1);
}

int helper_xdp_sweep(int netns_fd, int program_fd)
{
	return ask(&(struct helper_request){ .what = HELPER_XDP_SWEEP }, netns_fd, program_fd);
}
