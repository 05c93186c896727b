// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl's way to varpd: connecting, one request and its answer, streams; and what is said when
 * one of these fails. The commands call it; it knows no command.
 */
#include <errno.h>
#include <string.h>

#include "ctl.h"

static enum control_status connect_error(const struct ctl *ctl, int err)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		return ctl_fail(CONTROL_FAILED,
				"varpd of instance %s is not running (%s %s): start it with "
				"`varpd -i %s`, or name another with -i",
				ctl->instance, err == -ENOENT ? "no" : "nobody listens at",
				ctl->path, ctl->instance);
	case -EACCES:
	case -EPERM:
		return ctl_fail(CONTROL_PERMISSION,
				"not permitted to use varpd of instance %s (%s): run varpctl as "
				"root",
				ctl->instance, ctl->path);
	case -EAGAIN:
		return ctl_fail(CONTROL_FAILED,
				"varpd of instance %s accepts no connection at present: see "
				"whether it is stopped or overloaded",
				ctl->instance);
	default:
		return ctl_fail(CONTROL_FAILED, "cannot connect to varpd at %s: %s", ctl->path,
				strerror(-err));
	}
}

enum control_status ctl_connect(const struct ctl *ctl, struct varpdb_conn *conn)
{
	int err = varpdb_conn_open(conn, ctl->path);

	return err ? connect_error(ctl, err) : CONTROL_OK;
}

enum control_status ctl_lost(const struct ctl *ctl, int err)
{
	switch (err) {
	case -ETIMEDOUT:
	case -EAGAIN:
		return ctl_fail(CONTROL_TIMEOUT,
				"varpd of instance %s does not answer: see whether it is stopped "
				"or overloaded",
				ctl->instance);
	case -ECONNRESET:
	case -EPIPE:
		return ctl_fail(CONTROL_FAILED,
				"varpd of instance %s has gone: see its log, and start it with "
				"`varpd -i %s`",
				ctl->instance, ctl->instance);
	case -EPROTO:
		return ctl_fail(CONTROL_FAILED,
				"varpd of instance %s gave an answer that is not understood: see "
				"that varpd and varpctl are of the same version",
				ctl->instance);
	case -EMSGSIZE:
		return ctl_fail(CONTROL_USAGE, "arguments are too long");
	default:
		return ctl_fail(CONTROL_FAILED, "cannot talk to varpd of instance %s: %s",
				ctl->instance, strerror(-err));
	}
}

enum control_status ctl_answer_status(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_int_t status = json_integer_value(json_object_get(answer, "status"));

	if (json_is_true(json_object_get(answer, "ok")))
		return CONTROL_OK;
	if (status < CONTROL_USAGE || status > CONTROL_PERMISSION)
		status = CONTROL_FAILED;
	return ctl_fail((enum control_status)status, "%s",
			error ? error : "varpd refuses without saying why");
}

/* Receives, going on after signals that nobody waits for. */
static int receive(struct varpdb_conn *conn, int timeout_ms, json_t **out)
{
	int err;

	do {
		err = varpdb_conn_receive(conn, timeout_ms, out);
	} while (err == -EINTR);
	return err;
}

/* Sends and takes the first line of the answer. */
static enum control_status ask(struct ctl *ctl, const char *command, json_t *args, int timeout_ms,
			       json_t **answer)
{
	enum control_status status = CONTROL_OK;
	int err;

	if (!varpdb_conn_is_open(&ctl->conn))
		status = ctl_connect(ctl, &ctl->conn);
	if (status) {
		json_decref(args);
		return status;
	}
	err = varpdb_conn_send(&ctl->conn, command, args);
	/* One that varpd has closed may hold the reason. */
	if (!err || err == -EPIPE)
		err = receive(&ctl->conn, timeout_ms, answer);
	if (err)
		return ctl_lost(ctl, err);
	status = ctl_answer_status(*answer);
	if (status)
		json_decref(*answer);
	return status;
}

enum control_status ctl_request(struct ctl *ctl, const char *command, json_t *args, int timeout_ms,
				json_t **result)
{
	json_t *answer;
	enum control_status status = ask(ctl, command, args, timeout_ms, &answer);

	if (status)
		return status;
	if (result)
		*result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	return CONTROL_OK;
}

enum control_status ctl_stream_begin(struct ctl *ctl, const char *command, json_t *args)
{
	json_t *answer;
	enum control_status status = ask(ctl, command, args, CTL_TIMEOUT_MS, &answer);

	if (!status)
		json_decref(answer);
	return status;
}

enum control_status ctl_stream(struct ctl *ctl, const char *command, json_t *args,
			       ctl_entry_fn entry, void *ctx)
{
	enum control_status status = ctl_stream_begin(ctl, command, args);
	bool ended = false;
	json_t *line;
	int err;

	while (!status && !ended) {
		err = receive(&ctl->conn, CTL_TIMEOUT_MS, &line);
		if (err)
			return ctl_lost(ctl, err);
		ended = json_is_true(json_object_get(line, "end"));
		if (json_is_false(json_object_get(line, "ok")))
			status = ctl_answer_status(line);
		else if (!ended)
			entry(line, ctx);
		json_decref(line);
	}
	return status;
}
