// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpdb_conn: lines over a stream socket, whose other end is in the test's own hands.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <varpdb_conn.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))

struct pair {
	struct varpdb_conn conn;
	int peer;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	if (!pair || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;
	pair->conn = VARPDB_CONN_INIT;
	pair->conn.fd = fds[0];
	pair->peer = fds[1];
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	varpdb_conn_close(&pair->conn);
	if (pair->peer >= 0)
		close(pair->peer);
	free(pair);
	return 0;
}

static void say(struct pair *pair, const char *text)
{
	assert_int_equal(write(pair->peer, text, strlen(text)), strlen(text));
}

/* The next line's number. */
static int next_n(struct pair *pair)
{
	json_t *json;
	int n;

	assert_int_equal(varpdb_conn_receive(&pair->conn, 1000, &json), 0);
	n = (int)json_integer_value(json_object_get(json, "n"));
	json_decref(json);
	return n;
}

static void test_path_rows_are_names(void **state)
{
	static const struct {
		const char *name, *path;	/* path NULL: refused */
	} rows[] = {
		{ "default", "/run/varp/default/control.sock" },
		{ "Lab_2-x.1", "/run/varp/Lab_2-x.1/control.sock" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "/run/varp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/control.sock" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
		{ "", NULL }, { ".", NULL }, { "..", NULL }, { "a/b", NULL }, { "../x", NULL },
		{ "-i", NULL }, { "a b", NULL }, { "\xc3\xa4", NULL },
	};
	char path[VARPDB_PATH_LEN];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int err = varpdb_conn_path(rows[i].name, path);

		if (err != (rows[i].path ? 0 : -EINVAL))
			fail_msg("'%s': %d", rows[i].name, err);
		if (!err)
			assert_string_equal(path, rows[i].path);
	}
}

static void test_open_rows_say_why(void **state)
{
	struct varpdb_conn conn = VARPDB_CONN_INIT;
	char dir[] = "/tmp/varp-conn-XXXXXX", path[64], long_path[200];
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	memset(long_path, 'a', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(varpdb_conn_open(&conn, long_path), -ENAMETOOLONG);
	assert_int_equal(varpdb_conn_open(&conn, path), -ENOENT);
	assert_false(varpdb_conn_is_open(&conn));

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(name.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(varpdb_conn_open(&conn, path), -ECONNREFUSED);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(varpdb_conn_open(&conn, path), 0);
	assert_true(varpdb_conn_is_open(&conn));
	assert_int_equal(fcntl(conn.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	varpdb_conn_close(&conn);
	assert_false(varpdb_conn_is_open(&conn));
	close(fd);
	unlink(path);
	rmdir(dir);
}

static void test_send_writes_one_line(void **state)
{
	static const char first[] = "{\"command\":\"status\",\"args\":{}}\n";
	static const char second[] = "{\"command\":\"attach\",\"args\":{\"dev\":\"eth0\"}}\n";
	struct pair *pair = *state;
	char got[256] = "";

	assert_int_equal(varpdb_conn_send(&pair->conn, "status", NULL), 0);
	assert_int_equal(read(pair->peer, got, sizeof(got)), strlen(first));
	assert_memory_equal(got, first, strlen(first));
	assert_int_equal(varpdb_conn_send(&pair->conn, "attach",
					  json_pack("{s:s}", "dev", "eth0")), 0);
	assert_int_equal(read(pair->peer, got, sizeof(got)), strlen(second));
	assert_memory_equal(got, second, strlen(second));
	assert_int_equal(pair->conn.sent, 2);
}

/* What varpd would refuse is not sent, and neither is half of something. */
static void test_send_rows_fail_whole(void **state)
{
	struct pair *pair = *state;
	char text[4096], rest[8];
	int err, count = 0;

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(varpdb_conn_send(&pair->conn, "attach", json_pack("{s:s}", "dev", text)),
			 -EMSGSIZE);
	assert_int_equal(recv(pair->peer, rest, sizeof(rest), MSG_DONTWAIT), -1);
	text[4096 - strlen("{\"command\":\"attach\",\"args\":{\"dev\":\"\"}}\n")] = '\0';
	do
		err = varpdb_conn_send(&pair->conn, "attach", json_pack("{s:s}", "dev", text));
	while (!err && ++count < 10000);
	assert_int_equal(err, -EAGAIN);		/* nobody reads */
	assert_true(count > 0);
	assert_int_equal(pair->conn.sent, count);
	close(pair->peer);
	pair->peer = -1;
	assert_int_equal(varpdb_conn_send(&pair->conn, "status", NULL), -EPIPE);
	varpdb_conn_close(&pair->conn);
	assert_int_equal(varpdb_conn_send(&pair->conn, "status", NULL), -ENOTCONN);
}

static void test_receive_cuts_the_stream_into_lines(void **state)
{
	struct pair *pair = *state;
	json_t *json;

	say(pair, "{\"n\":1}\n{\"n\":2}\n{\"n\"");
	assert_int_equal(next_n(pair), 1);
	assert_int_equal(next_n(pair), 2);
	assert_int_equal(varpdb_conn_receive(&pair->conn, 0, &json), -ETIMEDOUT);
	say(pair, ":3}");
	assert_int_equal(varpdb_conn_receive(&pair->conn, 10, &json), -ETIMEDOUT);
	say(pair, "\n{\"n\":4}\n");
	assert_int_equal(next_n(pair), 3);
	assert_int_equal(next_n(pair), 4);
	assert_int_equal(pair->conn.received, 4);
}

static void test_receive_takes_a_line_longer_than_its_buffer(void **state)
{
	enum { LENGTH = 100000 };
	struct pair *pair = *state;
	char *text = malloc(LENGTH + 1);
	json_t *json;
	size_t at;

	assert_non_null(text);
	memset(text, 'a', LENGTH);
	text[LENGTH] = '\0';
	say(pair, "{\"n\":1}\n{\"n\":2,\"text\":\"");
	assert_int_equal(next_n(pair), 1);
	for (at = 0; at < LENGTH; at += 10000) {
		assert_int_equal(write(pair->peer, text + at, 10000), 10000);
		assert_int_equal(varpdb_conn_receive(&pair->conn, 0, &json), -ETIMEDOUT);
	}
	say(pair, "\"}\n{\"n\":3}\n");
	assert_int_equal(varpdb_conn_receive(&pair->conn, 1000, &json), 0);
	assert_string_equal(json_string_value(json_object_get(json, "text")), text);
	json_decref(json);
	assert_int_equal(next_n(pair), 3);
	free(text);
}

static void test_receive_rows_that_are_no_objects_are_refused(void **state)
{
	static const char *const rows[] = {
		"\n", "hello\n", "7\n", "[1]\n", "null\n", "{\"n\":1\n", "{\"n\":1}}\n",
	};
	struct pair *pair = *state;
	json_t *json;

	for (size_t i = 0; i < ROWS(rows); i++) {
		say(pair, rows[i]);
		if (varpdb_conn_receive(&pair->conn, 1000, &json) != -EPROTO)
			fail_msg("row %zu was taken", i);
	}
	say(pair, "{\"n\":9}\n");	/* and the next line is read as ever */
	assert_int_equal(next_n(pair), 9);
}

static void test_receive_peer_gone_after_its_last_line(void **state)
{
	struct pair *pair = *state;
	json_t *json;

	say(pair, "{\"n\":1}\n{\"n\":2}");
	close(pair->peer);
	pair->peer = -1;
	assert_int_equal(next_n(pair), 1);
	assert_int_equal(varpdb_conn_receive(&pair->conn, 1000, &json), -ECONNRESET);
	varpdb_conn_close(&pair->conn);
	assert_int_equal(varpdb_conn_receive(&pair->conn, 1000, &json), -ENOTCONN);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_rows_are_names),
		cmocka_unit_test(test_open_rows_say_why),
		TEST(test_send_writes_one_line),
		TEST(test_send_rows_fail_whole),
		TEST(test_receive_cuts_the_stream_into_lines),
		TEST(test_receive_takes_a_line_longer_than_its_buffer),
		TEST(test_receive_rows_that_are_no_objects_are_refused),
		TEST(test_receive_peer_gone_after_its_last_line),
	};

	return cmocka_run_group_tests_name("varpdb_conn", tests, NULL, NULL);
}
