// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who may use the text sockets: their unix siblings, who is let in, what each command may concern,
 * and the audit lines. Called by textsock.c and textsock_batch.c; rights are access.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "channels.h"
#include "control.h"
#include "instance.h"
#include "textsock_internal.h"

static const char *socket_name(const struct textsock_side *side)
{
	return side->source == VARP_COMMAND_FROM_MANAGER ? "grp-mgr" : "grp-clt";
}

/* --- Listening --- */

static bool is_loopback(const struct config_endpoint *endpoint)
{
	const struct sockaddr_in6 *in6 = (const void *)&endpoint->addr;
	const struct sockaddr_in *in = (const void *)&endpoint->addr;

	if (endpoint->addr.ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Where others than this host's users may connect, only TLS is spoken. */
static int check_endpoint(struct textsock_side *side, const struct config_endpoint *endpoint,
			  struct varpd_error *error)
{
	const struct varpd *varpd = side->textsock->varpd;
	char text[80];

	if (!endpoint->len || is_loopback(endpoint) || varpd->config.insecure)
		return 0;
	side->tls = true;
	if (credentials_host_ends(varpd->credentials))
		return 0;
	return varpd_fail(error, -EACCES,
			  "%s-listen %s is not a loopback address: commands come from there over "
			  "TLS alone, and this host has no certificate in %s; make one with "
			  "`varpctl pki issue`, or use 127.0.0.1 and a tunnel",
			  socket_name(side), config_endpoint_format(endpoint, text, sizeof(text)),
			  varpd->config.credentials);
}

/* The directory is varpd's user's, and we may be root: never by a link. 0 or -errno. */
static int set_owner_and_mode(const char *path, gid_t group, mode_t mode)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	char again[32];
	struct stat st;

	if (fd < 0)
		return -errno;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		err = -ENOTSOCK;
	if (!err && group != (gid_t)-1 && chown(again, -1, group))
		varpd_log(VARPD_LOG_DEBUG, "cannot give %s to group %u", path,
			  (unsigned int)group);
	if (!err && chmod(again, mode))
		err = -errno;
	close(fd);
	return err;
}

/* The group of varpd's user, or everybody: who he is, is asked of the kernel for each connection. */
static void set_mode(const struct textsock_side *side)
{
	const struct access *access = side->textsock->varpd->access;
	gid_t group = access_group(access);
	int err;

	if (!side->local)
		return;
	err = set_owner_and_mode(side->path, geteuid() ? (gid_t)-1 : group,
				 access_is_delegated(access, side->source) ? 0666 : 0660);
	if (err)
		varpd_log(VARPD_LOG_WARNING, "cannot set the mode of %s: %s", side->path,
			  strerror(-err));
}

void textsock_access_changed(struct textsock *textsock)
{
	set_mode(&textsock->manager);
	set_mode(&textsock->client);
}

int text_access_open(struct textsock_side *side, const struct config_endpoint *endpoint,
		     evconnlistener_cb on_accept, evconnlistener_errorcb on_error,
		     struct varpd_error *error)
{
	const struct varpd *varpd = side->textsock->varpd;
	int fd = check_endpoint(side, endpoint, error);

	if (fd)
		return fd;
	snprintf(side->path, sizeof(side->path), "%s/%s/%s.sock", CONTROL_RUN_DIR,
		 varpd->config.instance, socket_name(side));
	fd = instance_bind(side->path, 0660, error);
	if (fd < 0)
		return fd;
	side->local = evconnlistener_new(varpd->base, on_accept, side,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 1024, fd);
	if (!side->local) {
		close(fd);
		return varpd_fail(error, -ENOMEM, "cannot listen on %s", side->path);
	}
	evconnlistener_set_error_cb(side->local, on_error);
	set_mode(side);
	return 0;
}

void text_access_close(struct textsock_side *side)
{
	if (!side->local)
		return;
	evconnlistener_free(side->local);
	unlink(side->path);
}

/* --- Letting in --- */

bool text_access_admit(struct text_conn *conn)
{
	static const char refusal[] =
		"ERR permission this user may not command varpd: see grp-mgr-allow, grp-clt-allow "
		"and owner in varpd.conf(5)\n";
	static const char gone[] = "ERR permission nobody holds the connection open any more\n";
	const struct textsock_side *side = conn->side;
	const struct varpd *varpd = side->textsock->varpd;
	const char *answer;

	if (!conn->tls)
		peer_of(conn->fd, &conn->peer);
	conn->local = conn->peer.pid;
	audit_begin(varpd->audit, &conn->audit, socket_name(side), conn->peer.text);
	if (conn->tls || access_may_connect(varpd->access, &conn->peer, side->source))
		return true;
	answer = conn->peer.known ? refusal : gone;
	audit_command(&conn->audit, "connection", NULL,
		      conn->peer.known ? "not permitted" : "cannot tell who it is");
	send(conn->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	return false;
}

bool text_access_admit_tls(const struct textsock_side *side, const struct text_tls *tls)
{
	static const char refusal[] =
		"ERR permission this certificate manages no supernet: that takes one with "
		"urn:varp:SNID:manager\n";
	struct audit_source source = { 0 };

	if (access_manager_may_connect(SSL_get0_peer_certificate(tls->tls)))
		return true;
	audit_begin(side->textsock->varpd->audit, &source, socket_name(side), tls->peer.text);
	audit_command(&source, "connection", NULL, "not a manager's certificate");
	audit_end(&source);
	SSL_write(tls->tls, refusal, sizeof(refusal) - 1);
	return false;
}

bool text_access_permits(struct text_conn *conn, const struct varp_command *command)
{
	if (!conn->tls)
		return access_may_command(conn->side->textsock->varpd->access, &conn->peer,
					  conn->side->source, command);
	/* Reading a certificate takes longer than most commands, which name the same supernet. */
	if (conn->manages && command->type != VARP_COMMAND_INIT &&
	    varp_snid_equal(&conn->managed, &command->snid))
		return true;
	if (!access_manager_may_command(SSL_get0_peer_certificate(conn->tls), command))
		return false;
	conn->manages = command->type != VARP_COMMAND_INIT;
	conn->managed = command->snid;
	return true;
}

const char *text_access_denied(const struct text_conn *conn)
{
	return conn->tls ? "ERR permission this certificate does not manage this supernet\n"
			 : "ERR permission this user may not command this supernet\n";
}

/* --- Audit --- */

static const char *verdict_of(const struct text_item *item, int result, char word[32])
{
	if (item->refused)
		return sscanf(item->refused, "ERR %31s", word) == 1 ? word : "refused";
	switch (result) {
	case 0:
		return NULL;
	case -ENOENT:
		return "notfound";
	case -EACCES:
		return "credentials";
	case -E2BIG:
		return "channels";
	}
	return "failed";
}

static void write_command(const struct varp_command *command, char *out, size_t len)
{
	char snid[VARP_SNID_TEXT], addr[VARP_ADDR_TEXT];
	size_t used = snprintf(out, len, "%s", varp_command_name(command->type));

	if (command->type != VARP_COMMAND_INIT)
		used += snprintf(out + used, len - used, " %s",
				 varp_snid_format(&command->snid, snid));
	if (command->has_chid)
		used += snprintf(out + used, len - used, " %s", varp_chid_format(&command->chid, addr));
	if (command->type == VARP_COMMAND_CHANNEL_SET)
		used += snprintf(out + used, len - used, " %s", channels_mode_name(command->mode));
	if (!varp_addr_is_zero(&command->vaddr))
		used += snprintf(out + used, len - used, " %s",
				 varp_addr_format(&command->vaddr, addr));
	if (command->has_raddr)
		snprintf(out + used, len - used, " %s", varp_addr_format(&command->raddr, addr));
}

void text_access_audit(const struct text_item *item, int result)
{
	struct audit_source *source = &item->conn->audit;
	const char *name = item->readable ? varp_command_name(item->command.type)
					  : "unreadable command";
	char text[200], word[32];
	const char *verdict = verdict_of(item, result, word);

	if (!audit_is_detailed(source)) {
		audit_command(source, name, NULL, verdict);
		return;
	}
	if (!item->readable)
		snprintf(text, sizeof(text), "%s", name);
	else
		write_command(&item->command, text, sizeof(text));
	audit_command(source, name, text, verdict);
}
