// SPDX-License-Identifier: BSD-2-Clause
/*
 * See fake_varpd.h. One process, poll(), a few connections; a request is one read, which holds for
 * requests of this size.
 */
#include "fake_varpd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS	8

struct server {
	struct pollfd fds[1 + CONNECTIONS];	/* the listener first */
	bool registered[1 + CONNECTIONS];
	const struct fake_rule *rules;
	int log;
};

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

bool fake_varpd_isolate(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (uid && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	if (!uid && unshare(CLONE_NEWNS))
		return false;
	if (uid) {
		write_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_file("/proc/self/gid_map", map);
	}
	return !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		!mount("tmpfs", "/run", "tmpfs", 0, "mode=755") && !mkdir("/run/varp", 0755);
}

static void put(int fd, const char *text)
{
	if (text && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;	/* the client has gone; what it does then is what is tested */
}

static void drop(struct server *server, int i)
{
	close(server->fds[i].fd);
	server->fds[i].fd = -1;
	server->registered[i] = false;
}

static void answer(struct server *server, int i, const char *line)
{
	const struct fake_rule *rule = server->rules;

	while (rule->match && !strstr(line, rule->match))
		rule++;
	if (!rule->match) {
		put(server->fds[i].fd, "{\"ok\":false,\"status\":2,\"error\":\"no rule\"}\n");
		return;
	}
	if (rule->delay_ms)
		usleep((useconds_t)rule->delay_ms * 1000);
	if (strstr(line, "\"register\""))
		server->registered[i] = true;
	put(server->fds[i].fd, rule->answer);
	for (int j = 1; j <= CONNECTIONS; j++)
		if (server->registered[j])
			put(server->fds[j].fd, rule->event);
	if (rule->hangup)
		drop(server, i);
}

static void read_requests(struct server *server, int i)
{
	char data[8192], *save = NULL;
	ssize_t n = recv(server->fds[i].fd, data, sizeof(data) - 1, 0);

	if (n <= 0) {
		drop(server, i);
		return;
	}
	data[n] = '\0';
	if (write(server->log, data, (size_t)n) != n)
		_exit(1);
	for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (server->fds[i].fd >= 0)
			answer(server, i, line);
}

static void serve(struct server *server)
{
	for (;;) {
		if (poll(server->fds, 1 + CONNECTIONS, -1) < 0)
			_exit(1);
		for (int i = 1; i <= CONNECTIONS; i++)
			if (server->fds[i].fd >= 0 && server->fds[i].revents)
				read_requests(server, i);
		if (!server->fds[0].revents)
			continue;
		for (int i = 1; i <= CONNECTIONS; i++) {
			if (server->fds[i].fd < 0) {
				server->fds[i].fd = accept(server->fds[0].fd, NULL, NULL);
				break;
			}
		}
	}
}

pid_t fake_varpd_start(const char *instance, const struct fake_rule *rules)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct server server = { .rules = rules };
	char path[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "/run/varp/%s", instance);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "/run/varp/%s/requests", instance);
	server.log = open(path, O_CREAT | O_TRUNC | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/run/varp/%s/control.sock", instance);
	unlink(addr.sun_path);
	for (int i = 0; i <= CONNECTIONS; i++)
		server.fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	server.fds[0].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.log < 0 || bind(server.fds[0].fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(server.fds[0].fd, 16)) {
		perror(addr.sun_path);
		abort();
	}

	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(&server);
	}
	close(server.fds[0].fd);
	close(server.log);
	return pid;
}

void fake_varpd_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

const char *fake_varpd_requests(const char *instance)
{
	static char text[65536];
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/run/varp/%s/requests", instance);
	fd = open(path, O_RDWR | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0) {
		if (ftruncate(fd, 0))
			abort();
		close(fd);
	}
	return text;
}

const char *fake_varpd_build_dir(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(path, '/');

		if (slash)
			*slash = '\0';
	}
	return path;
}
