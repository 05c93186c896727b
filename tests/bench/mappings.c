// SPDX-License-Identifier: BSD-2-Clause
/*
 * A group manager in a hurry: adds mappings through the text socket, commands sent without waiting
 * for answers, and tells how long it took until the last one was answered OK, which is when all of
 * them are durable.
 *
 *   mappings ADDR PORT SNID BASE COUNT RADDR		prints ok, refused, seconds
 *
 * Called by tests/bench/cases_control.py.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define LINE_MAX_LEN 160
#define CHUNK	     (256 * 1024)

struct manager {
	int fd;
	struct varp_addr base;
	const char *snid, *raddr;
	uint64_t count, written; /* commands */
	uint64_t ok, refused;
	char out[CHUNK + LINE_MAX_LEN];
	size_t out_len, out_done;
	bool line_begins;
};

static void refill(struct manager *m)
{
	char vaddr[VARP_ADDR_TEXT];

	m->out_len = m->out_done = 0;
	while (m->written < m->count && m->out_len < CHUNK) {
		struct varp_addr addr = vaddr_at(&m->base, m->written++);

		m->out_len += snprintf(m->out + m->out_len, LINE_MAX_LEN, "varpd_add %s %s %s\n",
				       m->snid, varp_addr_format(&addr, vaddr), m->raddr);
	}
}

static void send_some(struct manager *m)
{
	ssize_t n;

	if (m->out_done == m->out_len)
		refill(m);
	n = write(m->fd, m->out + m->out_done, m->out_len - m->out_done);
	if (n > 0)
		m->out_done += n;
	else if (errno != EAGAIN)
		die("writing commands: %s", strerror(errno));
}

/* A line's first letter tells: OK or ERR. */
static void receive_some(struct manager *m)
{
	static char in[CHUNK];
	ssize_t n = read(m->fd, in, sizeof(in));

	if (n <= 0 && errno != EAGAIN)
		die("varpd closed the connection after %llu answers",
		    (unsigned long long)(m->ok + m->refused));
	for (ssize_t i = 0; i < n; i++) {
		if (m->line_begins)
			*(in[i] == 'O' ? &m->ok : &m->refused) += 1;
		m->line_begins = in[i] == '\n';
	}
}

int main(int argc, char **argv)
{
	struct manager *m = calloc(1, sizeof(*m));
	struct sockaddr_in name = {.sin_family = AF_INET};
	uint64_t start;

	if (!m || argc != 7)
		die("usage: mappings ADDR PORT SNID BASE COUNT RADDR");
	*m = (struct manager){.snid = argv[3],
			      .base = addr_arg(argv[4]),
			      .count = number(argv[5]),
			      .raddr = argv[6],
			      .line_begins = true};
	name.sin_port = htons(number(argv[2]));
	m->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (inet_pton(AF_INET, argv[1], &name.sin_addr) != 1 ||
	    connect(m->fd, (struct sockaddr *)&name, sizeof(name)))
		die("cannot connect to %s: %s", argv[1], strerror(errno));
	fcntl(m->fd, F_SETFL, O_NONBLOCK);
	start = now_ns();
	while (m->ok + m->refused < m->count) {
		bool more = m->out_done < m->out_len || m->written < m->count;
		struct pollfd ready = {.fd = m->fd, .events = POLLIN | (more ? POLLOUT : 0)};

		if (poll(&ready, 1, 60000) <= 0)
			die("no answer for a minute after %llu answers",
			    (unsigned long long)(m->ok + m->refused));
		if (ready.revents & (POLLIN | POLLHUP | POLLERR))
			receive_some(m);
		if (ready.revents & POLLOUT)
			send_some(m);
	}
	printf("ok %llu\nrefused %llu\nseconds %.6f\n", (unsigned long long)m->ok,
	       (unsigned long long)m->refused, (now_ns() - start) / 1e9);
	return 0;
}
