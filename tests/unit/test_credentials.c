// SPDX-License-Identifier: BSD-2-Clause
/*
 * Credentials: what certificates permit, which files are refused, and handshakes in memory between
 * a client's directory and a server's: who is let in, with which words the others are told, and
 * when that ends. Also the exporter as docs/PROTOCOL.md has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "ctl/varpctl/pki.h"
#include "ctl/varpd/access.h"
#include "ctl/varpd/credentials.h"
#include "ctl/varpd/log.h"

#define SNID	"0x00000000000000000010"
#define OTHER	"0x00000000000000000011"
#define MEMBER	"urn:varp:" SNID ":member"
#define SERVER	"urn:varp:" SNID ":server"

/* --- Grants --- */

static void test_grants_parse(void **state)
{
	static const struct {
		const char *uri;
		int err;
		const char *again;	/* how it is printed; NULL: as it was */
	} rows[] = {
		{ "urn:varp:" SNID ":member", 0, NULL },
		{ "urn:varp:0x10:member", 0, "urn:varp:" SNID ":member" },
		{ "URN:VARP:0x10:server", 0, "urn:varp:" SNID ":server" },
		{ "urn:varp:*:server", 0, NULL },
		{ "urn:varp:*:manager", 0, NULL },
		{ "urn:varp:" SNID ":manager", 0, NULL },
		{ "urn:varp:" SNID ":member:10.1.0.1", 0, NULL },
		{ "urn:varp:" SNID ":member:2001:db8::1", 0, NULL },
		{ "urn:varp:*:member:10.1.0.1", 0, NULL },
		{ "https://example.org/", -ENOENT, NULL },
		{ "urn:varps:0x10:member", -ENOENT, NULL },
		{ "urn:varp:", -EINVAL, NULL },
		{ "urn:varp:0x10", -EINVAL, NULL },
		{ "urn:varp:0x10:", -EINVAL, NULL },
		{ "urn:varp:10:member", -EINVAL, NULL },
		{ "urn:varp:0x10:members", -EINVAL, NULL },
		{ "urn:varp:0x10:Member", -EINVAL, NULL },
		{ "urn:varp:0x10:member:", -EINVAL, NULL },
		{ "urn:varp:0x10:member:10.1.0.1/24", -EINVAL, NULL },
		{ "urn:varp:0x10:member:0.0.0.0", -EINVAL, NULL },
		{ "urn:varp:0x10:member:224.0.0.1", -EINVAL, NULL },
		{ "urn:varp:0x10:server:10.1.0.1", -EINVAL, NULL },
		{ "urn:varp:0x10:member:10.1.0.1:x", -EINVAL, NULL },
		{ "urn:varp:**:member", -EINVAL, NULL },
		{ "urn:varp:0x100000000000000000000:member", -EINVAL, NULL },
		{ "urn:varp:0x10:member                                                          "
		  "                                           ", -EINVAL, NULL },
	};
	struct grant grant;
	char text[GRANT_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int err = grant_parse(rows[i].uri, &grant);

		if (err != rows[i].err)
			fail_msg("%s: %d instead of %d", rows[i].uri, err, rows[i].err);
		if (!err)
			assert_string_equal(grant_format(&grant, text),
					    rows[i].again ? rows[i].again : rows[i].uri);
	}
}

/* --- Authorities and directories --- */

static char base[] = "/tmp/varp-credentials-XXXXXX";
static EVP_PKEY *ca_key, *other_key;
static X509 *ca, *other_ca;

static void path_of(char out[PATH_MAX], const char *dir, const char *name)
{
	snprintf(out, PATH_MAX, "%s/%s/%s", base, dir, name);
}

static FILE *create(const char *dir, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", base, dir);
	mkdir(path, 0755);
	path_of(path, dir, "psk");
	mkdir(path, 0755);
	path_of(path, dir, name);
	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fchmod(fileno(file), mode);
	return file;
}

static void put(const char *dir, const char *name, mode_t mode, const char *text)
{
	FILE *file = create(dir, name, mode);

	fputs(text, file);
	fclose(file);
}

/* A certificate that may be bent before it is signed. */
struct wish {
	const char *grants[4];
	int days;
	bool not_yet;
	bool by_other;		/* authority */
};

static X509 *issue(const struct wish *wish, EVP_PKEY *key)
{
	struct grant grants[4];
	size_t count = 0;
	X509 *cert;

	for (; count < 4 && wish->grants[count]; count++)
		assert_int_equal(grant_parse(wish->grants[count], &grants[count]), 0);
	cert = pki_make_cert("host", key, grants, count, wish->days ? wish->days : 30,
			     wish->by_other ? other_ca : ca, wish->by_other ? other_key : ca_key);
	assert_non_null(cert);
	if (wish->not_yet) {
		X509_gmtime_adj(X509_getm_notBefore(cert), 86400);
		assert_true(X509_sign(cert, ca_key, EVP_sha256()) > 0);
	}
	return cert;
}

/* Makes a directory with a certificate in it; returns the certificate. */
static X509 *enrol(const char *dir, const struct wish *wish)
{
	EVP_PKEY *key = pki_make_key();
	X509 *cert = issue(wish, key);
	FILE *file = create(dir, "host.crt", 0644);

	PEM_write_X509(file, cert);
	fclose(file);
	file = create(dir, "ca.crt", 0644);
	PEM_write_X509(file, ca);
	fclose(file);
	file = create(dir, "host.key", 0600);
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	EVP_PKEY_free(key);
	return cert;
}

static void revoke_at(const char *dir, X509 *cert)
{
	X509_CRL *crl = pki_make_crl(NULL, cert, ca, ca_key);
	FILE *file = create(dir, "revoked.crl", 0644);

	assert_non_null(crl);
	PEM_write_X509_CRL(file, crl);
	fclose(file);
	X509_CRL_free(crl);
}

static void forget(const char *dir, const char *name)
{
	char path[PATH_MAX];

	path_of(path, dir, name);
	unlink(path);
}

static struct credentials *open_dir(const char *dir)
{
	char path[PATH_MAX];
	struct credentials *credentials;

	snprintf(path, sizeof(path), "%s/%s", base, dir);
	credentials = credentials_open(path);
	assert_non_null(credentials);
	return credentials;
}

static void clean(const char *dir)
{
	static const char *const names[] = { "ca.crt", "host.crt", "host.key", "revoked.crl",
					     "psk/" SNID ".psk", "psk/" OTHER ".psk", "psk/x.psk" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		forget(dir, names[i]);
}

static int set_up(void **state)
{
	(void)state;
	clean("c");
	clean("s");
	return 0;
}

/* --- Handshakes --- */

struct outcome {
	SSL *client, *server;
	bool good;
	const char *client_says, *server_says;
};

static struct varp_snid snid_of(const char *text)
{
	struct varp_snid snid;

	assert_int_equal(varp_snid_parse(text, &snid), 0);
	return snid;
}

static void step(SSL *tls, bool client, bool *done, const char **says)
{
	int err;

	if (*says)
		return;
	ERR_clear_error();
	/* A client sees the server's verdict on itself only when it reads. */
	if (!*done) {
		err = SSL_do_handshake(tls);
	} else {
		char octet;

		err = SSL_read(tls, &octet, 1);
	}
	if (err == 1)
		*done = true;
	else if (SSL_get_error(tls, err) != SSL_ERROR_WANT_READ)
		*says = credentials_explain(tls, ERR_get_error(), client);
}

static struct outcome shake(struct credentials *client, struct credentials *server,
			    const char *snid_text)
{
	struct varp_snid snid = snid_of(snid_text);
	struct outcome out = { .client_says = NULL };
	bool client_done = false, server_done = false;
	BIO *a, *b;

	assert_int_equal(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16), 1);
	out.client = credentials_tls(client, &snid);
	out.server = credentials_tls(server, NULL);
	SSL_set_bio(out.client, a, a);
	SSL_set_bio(out.server, b, b);
	SSL_set_connect_state(out.client);
	SSL_set_accept_state(out.server);
	for (int i = 0; i < 8; i++) {
		step(out.client, true, &client_done, &out.client_says);
		step(out.server, false, &server_done, &out.server_says);
	}
	out.good = client_done && server_done && !out.client_says && !out.server_says;
	return out;
}

static void done_with(struct outcome *out)
{
	SSL_free(out->client);
	SSL_free(out->server);
}

static bool holds(const char *text, const char *part)
{
	return text && strstr(text, part);
}

static void expect_refusal(const char *server_says, const char *client_says)
{
	struct credentials *client = open_dir("c"), *server = open_dir("s");
	struct outcome out = shake(client, server, SNID);

	assert_false(out.good);
	if (!holds(out.server_says, server_says) || !holds(out.client_says, client_says))
		fail_msg("server: '%s' instead of '%s'; client: '%s' instead of '%s'",
			 out.server_says ? out.server_says : "", server_says,
			 out.client_says ? out.client_says : "", client_says);
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
}

static const char key_a[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
static const char key_b[] = "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
#define PSK_FILE "psk/" SNID ".psk"

static const struct wish member = { .grants = { MEMBER } }, server_wish = { .grants = { SERVER } };

static void test_psk_lets_members_in(void **state)
{
	struct varp_snid snid = snid_of(SNID), other = snid_of(OTHER);
	struct credentials_identity identity;
	struct credentials *client, *server;
	struct outcome out;

	(void)state;
	put("c", PSK_FILE, 0600, key_a);
	put("s", PSK_FILE, 0600, key_a);
	put("s", "psk/" OTHER ".psk", 0600, key_a);
	client = open_dir("c");
	server = open_dir("s");
	assert_int_equal(credentials_for(client, &snid), CREDENTIALS_PSK);
	assert_int_equal(credentials_for(client, &other), CREDENTIALS_NONE);
	out = shake(client, server, SNID);
	assert_true(out.good);
	assert_int_equal(SSL_version(out.client), TLS1_3_VERSION);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, NULL, &identity), 0);
	assert_int_equal(identity.kind, CREDENTIALS_PSK);
	assert_int_equal(
		credentials_check(client, out.client, GRANT_SERVER, &snid, NULL, &identity), 0);
	/* It proves membership of its own supernet alone, even where another has the same key. */
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &other, NULL, &identity),
		-EACCES);
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
}

static void test_psk_that_changed_ends_sessions(void **state)
{
	struct varp_snid snid = snid_of(SNID);
	struct credentials_identity identity;
	struct credentials *client, *server;
	struct outcome out;

	(void)state;
	put("c", PSK_FILE, 0600, key_a);
	put("s", PSK_FILE, 0600, key_a);
	client = open_dir("c");
	server = open_dir("s");
	out = shake(client, server, SNID);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, NULL, &identity), 0);
	assert_true(credentials_still(server, &snid, &identity, time(NULL)));
	assert_false(credentials_refresh(server));
	put("s", PSK_FILE, 0600, key_b);
	assert_true(credentials_refresh(server));
	assert_false(credentials_still(server, &snid, &identity, time(NULL)));
	put("s", PSK_FILE, 0600, key_a);
	credentials_refresh(server);
	assert_true(credentials_still(server, &snid, &identity, time(NULL)));
	forget("s", PSK_FILE);
	credentials_refresh(server);
	assert_false(credentials_still(server, &snid, &identity, time(NULL)));
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
}

static void test_psk_of_another_key_is_refused(void **state)
{
	(void)state;
	put("c", PSK_FILE, 0600, key_a);
	put("s", PSK_FILE, 0600, key_b);
	expect_refusal("pre-shared key for its supernet is another one", "is another one");
}

static void test_psk_that_the_server_lacks_is_refused(void **state)
{
	(void)state;
	put("c", PSK_FILE, 0600, key_a);
	put("s", "psk/" OTHER ".psk", 0600, key_a);
	expect_refusal("no pre-shared key that is known here", "nothing to prove itself with");
	X509_free(enrol("s", &server_wish));
	expect_refusal("", "does not know this supernet's pre-shared key");
}

static void test_secrets_that_others_may_read_are_refused(void **state)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		bool used;
	} rows[] = {
		{PSK_FILE, key_a, 0600, true},
		{PSK_FILE, key_a, 0640, true},
		{PSK_FILE, key_a, 0644, false},
		{PSK_FILE, key_a, 0604, false},
		{PSK_FILE, key_a, 0620, false},
		{PSK_FILE, "  000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F",
		 0600, true},
		{PSK_FILE, "000102", 0600, false},
		{PSK_FILE, "", 0600, false},
		{PSK_FILE, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00",
		 0600, false},
		{"psk/x.psk", key_a, 0600, false},
	};
	struct varp_snid snid = snid_of(SNID);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct credentials *credentials;
		bool used;

		clean("c");
		put("c", rows[i].name, rows[i].mode, rows[i].text);
		credentials = open_dir("c");
		used = credentials_for(credentials, &snid) == CREDENTIALS_PSK;
		if (used != rows[i].used || !credentials_problem(credentials) != used)
			fail_msg("row %zu: used %d, %s", i, used,
				 credentials_problem(credentials) ? credentials_problem(credentials)
								  : "no problem");
		credentials_close(credentials);
	}
}

static void test_secrets_that_a_foreign_group_may_read_are_refused(void **state)
{
	static const struct {
		gid_t group;
		mode_t mode;
		bool used;
	} rows[] = {
		{ 0, 0640, true }, { 60, 0640, false }, { 60, 0600, true }, { 61, 0640, true },
	};
	struct varp_snid snid = snid_of(SNID);
	struct credentials *credentials;
	char path[PATH_MAX];

	(void)state;
	if (geteuid())
		skip();
	psk_trust_group(61);	/* varpd's */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clean("c");
		put("c", PSK_FILE, rows[i].mode, key_a);
		path_of(path, "c", PSK_FILE);
		assert_int_equal(chown(path, 0, rows[i].group), 0);
		credentials = open_dir("c");
		if ((credentials_for(credentials, &snid) == CREDENTIALS_PSK) != rows[i].used)
			fail_msg("row %zu", i);
		credentials_close(credentials);
	}
	psk_trust_group(-1);
}

static void test_private_key_that_others_may_read_is_refused(void **state)
{
	struct varp_snid snid = snid_of(SNID);
	struct credentials *credentials;
	char path[PATH_MAX];

	(void)state;
	X509_free(enrol("c", &member));
	path_of(path, "c", "host.key");
	chmod(path, 0644);
	credentials = open_dir("c");
	assert_int_equal(credentials_for(credentials, &snid), CREDENTIALS_NONE);
	assert_true(holds(credentials_problem(credentials), "chmod o="));
	chmod(path, 0600);
	assert_true(credentials_refresh(credentials));
	assert_null(credentials_problem(credentials));
	assert_int_equal(credentials_for(credentials, &snid), CREDENTIALS_CERTIFICATE);
	credentials_close(credentials);
}

static void test_certificates_let_members_in(void **state)
{
	struct varp_snid snid = snid_of(SNID), other = snid_of(OTHER);
	struct credentials_identity identity;
	struct credentials *client, *server;
	struct varp_addr zero, vaddr;
	struct outcome out;
	X509 *cert;

	(void)state;
	memset(&zero, 0, sizeof(zero));
	varp_addr_parse("10.1.0.1", &vaddr);
	cert = enrol("c", &member);
	X509_free(enrol("s", &server_wish));
	client = open_dir("c");
	server = open_dir("s");
	assert_int_equal(credentials_for(client, &snid), CREDENTIALS_CERTIFICATE);
	assert_int_equal(credentials_for(client, &other), CREDENTIALS_NONE);
	out = shake(client, server, SNID);
	assert_true(out.good);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, &zero, &identity), 0);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, &vaddr, &identity), 0);
	assert_int_equal(identity.kind, CREDENTIALS_CERTIFICATE);
	assert_true(credentials_still(server, &snid, &identity, time(NULL)));
	assert_false(credentials_still(server, &snid, &identity, time(NULL) + 31 * 86400));
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &other, &zero, &identity),
		-EACCES);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_SERVER, &snid, NULL, &identity),
		-EACCES);
	assert_int_equal(
		credentials_check(client, out.client, GRANT_SERVER, &snid, NULL, &identity), 0);
	assert_int_equal(
		credentials_check(client, out.client, GRANT_SERVER, &other, NULL, &identity),
		-EACCES);
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
	X509_free(cert);
}

static void test_certificate_permits_what_it_names(void **state)
{
	static const struct {
		const char *grant;
		enum grant_role role;
		const char *snid, *vaddr;
		bool permitted;
	} rows[] = {
		{ MEMBER, GRANT_MEMBER, SNID, NULL, true },
		{ MEMBER, GRANT_MEMBER, SNID, "10.1.0.1", true },
		{ MEMBER, GRANT_MEMBER, OTHER, NULL, false },
		{ MEMBER, GRANT_SERVER, SNID, NULL, false },
		{ MEMBER, GRANT_MANAGER, SNID, NULL, false },
		{ SERVER, GRANT_MEMBER, SNID, NULL, false },
		{ "urn:varp:*:member", GRANT_MEMBER, OTHER, "10.1.0.1", true },
		{ "urn:varp:*:member", GRANT_SERVER, OTHER, NULL, false },
		{ MEMBER ":10.1.0.1", GRANT_MEMBER, SNID, "10.1.0.1", true },
		{ MEMBER ":10.1.0.1", GRANT_MEMBER, SNID, "10.1.0.2", false },
		{ MEMBER ":10.1.0.1", GRANT_MEMBER, SNID, NULL, false },
		{ MEMBER ":2001:db8::1", GRANT_MEMBER, SNID, "2001:db8::1", true },
		{ "urn:varp:" SNID ":manager", GRANT_MANAGER, SNID, NULL, true },
		{ "urn:varp:" SNID ":manager", GRANT_MANAGER, OTHER, NULL, false },
		{ "urn:varp:" SNID ":manager", GRANT_SERVER, SNID, NULL, false },
	};
	EVP_PKEY *key = pki_make_key();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct wish wish = { .grants = { rows[i].grant } };
		struct varp_snid snid = snid_of(rows[i].snid);
		struct varp_addr vaddr;
		X509 *cert = issue(&wish, key);

		memset(&vaddr, 0, sizeof(vaddr));
		if (rows[i].vaddr)
			varp_addr_parse(rows[i].vaddr, &vaddr);
		if (grants_permit(cert, rows[i].role, &snid, &vaddr) != rows[i].permitted)
			fail_msg("row %zu: %s", i, rows[i].grant);
		if (rows[i].role == GRANT_MANAGER)
			assert_int_equal(credentials_may_manage(cert, &snid), rows[i].permitted);
		assert_false(credentials_may_manage(cert, NULL));
		X509_free(cert);
	}
	EVP_PKEY_free(key);
}

/* Only who is bound to nodes, and to none of them, is excluded; who is no member at all is not. */
static void test_certificate_excludes_other_nodes(void **state)
{
	static const struct {
		const char *grants[2], *snid, *vaddr;
		bool excluded;
	} rows[] = {
		{ { MEMBER ":10.1.0.1" }, SNID, "10.1.0.1", false },
		{ { MEMBER ":10.1.0.1" }, SNID, "10.1.0.2", true },
		{ { MEMBER ":10.1.0.1" }, SNID, "2001:db8::1", true },
		{ { MEMBER ":10.1.0.1" }, SNID, NULL, true },
		{ { MEMBER ":10.1.0.1" }, OTHER, "10.1.0.2", false },
		{ { MEMBER ":10.1.0.1", MEMBER ":10.1.0.2" }, SNID, "10.1.0.2", false },
		{ { MEMBER ":10.1.0.1", MEMBER }, SNID, "10.1.0.2", false },
		{ { MEMBER ":10.1.0.1", "urn:varp:*:member" }, SNID, "10.1.0.2", false },
		{ { MEMBER ":10.1.0.1", SERVER }, SNID, "10.1.0.2", true },
		{ { "urn:varp:*:member:10.1.0.1" }, OTHER, "10.1.0.2", true },
		{ { MEMBER }, SNID, "10.1.0.2", false },
		{ { MEMBER }, SNID, NULL, false },
		{ { SERVER }, SNID, "10.1.0.2", false },
	};
	EVP_PKEY *key = pki_make_key();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct wish wish = { .grants = { rows[i].grants[0], rows[i].grants[1] } };
		struct varp_snid snid = snid_of(rows[i].snid);
		struct varp_addr vaddr;
		X509 *cert = issue(&wish, key);

		if (rows[i].vaddr)
			varp_addr_parse(rows[i].vaddr, &vaddr);
		if (grants_exclude(cert, &snid, rows[i].vaddr ? &vaddr : NULL) != rows[i].excluded)
			fail_msg("row %zu", i);
		X509_free(cert);
	}
	EVP_PKEY_free(key);
}

static void test_manager_of_some_or_all(void **state)
{
	static const struct {
		const char *grants[2];
		bool any, this, all;
	} rows[] = {
		{ { MEMBER, SERVER }, false, false, false },
		{ { MEMBER, "urn:varp:" OTHER ":manager" }, true, false, false },
		{ { "urn:varp:" OTHER ":manager", "urn:varp:" SNID ":manager" }, true, true,
		  false },
		{ { "urn:varp:*:manager" }, true, true, true },
		{ { "urn:varp:*:server", "urn:varp:*:member" }, false, false, false },
	};
	struct varp_command add = { .type = VARP_COMMAND_ADD, .snid = snid_of(SNID) };
	struct varp_command init = { .type = VARP_COMMAND_INIT };
	EVP_PKEY *key = pki_make_key();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct wish wish = { .grants = { rows[i].grants[0], rows[i].grants[1] } };
		X509 *cert = issue(&wish, key);

		if (access_manager_may_connect(cert) != rows[i].any ||
		    access_manager_may_command(cert, &add) != rows[i].this ||
		    access_manager_may_command(cert, &init) != rows[i].all)
			fail_msg("row %zu: %s", i, rows[i].grants[0]);
		X509_free(cert);
	}
	EVP_PKEY_free(key);
}

static void test_certificates_that_do_not_hold_are_refused(void **state)
{
	static const struct {
		struct wish client, server;
		const char *server_says, *client_says;
	} rows[] = {
		{ { .grants = { MEMBER }, .by_other = true }, { .grants = { SERVER } },
		  "authority that is not in ca.crt", "does not believe the authority" },
		{ { .grants = { MEMBER } }, { .grants = { SERVER }, .by_other = true },
		  "does not believe the authority", "authority that is not in ca.crt" },
		{ { .grants = { MEMBER }, .days = -1 }, { .grants = { SERVER } },
		  "has expired", "has expired or is not valid yet" },
		{ { .grants = { MEMBER } }, { .grants = { SERVER }, .days = -1 },
		  "has expired or is not valid yet", "has expired" },
		{ { .grants = { MEMBER }, .not_yet = true }, { .grants = { SERVER } },
		  "is not valid yet: the clock", "does not accept this host's certificate" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clean("c");
		clean("s");
		X509_free(enrol("c", &rows[i].client));
		X509_free(enrol("s", &rows[i].server));
		expect_refusal(rows[i].server_says, rows[i].client_says);
	}
}

static void test_client_without_credentials_is_refused(void **state)
{
	(void)state;
	X509_free(enrol("s", &server_wish));
	put("c", "psk/" OTHER ".psk", 0600, key_a);
	expect_refusal("", "authority that is not in ca.crt");
}

static void test_revoked_certificate_is_refused_and_its_sessions_end(void **state)
{
	struct varp_snid snid = snid_of(SNID);
	struct credentials_identity identity;
	struct credentials *client, *server;
	struct outcome out;
	X509 *cert, *another;

	(void)state;
	cert = enrol("c", &member);
	another = enrol("s", &server_wish);
	client = open_dir("c");
	server = open_dir("s");
	out = shake(client, server, SNID);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, NULL, &identity), 0);
	revoke_at("s", another);	/* a list that does not name it */
	assert_true(credentials_refresh(server));
	assert_true(credentials_still(server, &snid, &identity, time(NULL)));
	revoke_at("s", cert);
	assert_true(credentials_refresh(server));
	assert_false(credentials_still(server, &snid, &identity, time(NULL)));
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
	expect_refusal("was revoked", "this host's certificate was revoked");
	X509_free(cert);
	X509_free(another);
}

/* --- An authority below another --- */

struct authority {
	EVP_PKEY *key;
	X509 *cert;
};

/* above NULL: it stands at the top. */
static struct authority make_authority(const char *name, const struct authority *above)
{
	EVP_PKEY *key = pki_make_key();
	X509 *cert = pki_make_cert(name, key, NULL, 0, 100, NULL, key);
	X509_EXTENSION *basic = X509V3_EXT_nconf_nid(NULL, NULL, NID_basic_constraints,
						     "critical,CA:TRUE");

	assert_true(cert && basic);
	X509_EXTENSION_free(X509_delete_ext(
		cert, X509_get_ext_by_NID(cert, NID_basic_constraints, -1)));
	assert_int_equal(X509_add_ext(cert, basic, -1), 1);
	X509_EXTENSION_free(basic);
	if (above)
		X509_set_issuer_name(cert, X509_get_subject_name(above->cert));
	assert_true(X509_sign(cert, above ? above->key : key, EVP_sha256()) > 0);
	return (struct authority){ key, cert };
}

static void free_authority(struct authority *authority)
{
	EVP_PKEY_free(authority->key);
	X509_free(authority->cert);
}

static void enrol_below(const char *dir, const char *uri, const struct authority *by,
			const struct authority *top)
{
	EVP_PKEY *key = pki_make_key();
	struct grant grant;
	X509 *cert;
	FILE *file;

	assert_int_equal(grant_parse(uri, &grant), 0);
	cert = pki_make_cert("host", key, &grant, 1, 30, by->cert, by->key);
	file = create(dir, "host.crt", 0644);
	PEM_write_X509(file, cert);
	if (by != top)
		PEM_write_X509(file, by->cert);
	fclose(file);
	file = create(dir, "ca.crt", 0644);
	PEM_write_X509(file, top->cert);
	fclose(file);
	file = create(dir, "host.key", 0600);
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	EVP_PKEY_free(key);
	X509_free(cert);
}

static void put_list(const char *dir, const struct authority *of, X509 *revoked)
{
	X509_CRL *crl = pki_make_crl(NULL, revoked, of->cert, of->key);
	FILE *file = create(dir, "revoked.crl", 0644);

	assert_non_null(crl);
	PEM_write_X509_CRL(file, crl);
	fclose(file);
	X509_CRL_free(crl);
}

static bool lets_in(void)
{
	struct credentials *client = open_dir("c"), *server = open_dir("s");
	struct outcome out = shake(client, server, SNID);
	bool good = out.good;

	done_with(&out);
	credentials_close(client);
	credentials_close(server);
	return good;
}

static void test_revoked_intermediate_is_refused_and_its_sessions_end(void **state)
{
	struct authority top = make_authority("top", NULL), middle = make_authority("middle", &top);
	struct varp_snid snid = snid_of(SNID);
	struct credentials_identity identity;
	struct credentials *client, *server;
	struct outcome out;

	(void)state;
	enrol_below("c", MEMBER, &middle, &top);
	enrol_below("s", SERVER, &top, &top);
	client = open_dir("c");
	server = open_dir("s");
	out = shake(client, server, SNID);
	assert_true(out.good);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, NULL, &identity), 0);
	assert_int_equal(identity.count, 2);
	/* Lists of one authority and none of the other, of either: nothing is revoked. */
	put_list("s", &middle, top.cert);
	assert_true(lets_in());
	put_list("s", &top, NULL);
	assert_true(lets_in());
	assert_true(credentials_refresh(server));
	assert_true(credentials_still(server, &snid, &identity, time(NULL)));
	put_list("s", &top, middle.cert);
	assert_true(credentials_refresh(server));
	assert_false(credentials_still(server, &snid, &identity, time(NULL)));
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
	expect_refusal("was revoked", "this host's certificate was revoked");
	free_authority(&middle);
	free_authority(&top);
}

static void test_other_authority_ends_sessions(void **state)
{
	struct varp_snid snid = snid_of(SNID);
	struct credentials_identity identity;
	struct credentials *client, *server;
	struct outcome out;
	FILE *file;

	(void)state;
	X509_free(enrol("c", &member));
	X509_free(enrol("s", &server_wish));
	client = open_dir("c");
	server = open_dir("s");
	out = shake(client, server, SNID);
	assert_int_equal(
		credentials_check(server, out.server, GRANT_MEMBER, &snid, NULL, &identity), 0);
	file = create("s", "ca.crt", 0644);
	PEM_write_X509(file, other_ca);
	fclose(file);
	assert_true(credentials_refresh(server));
	assert_false(credentials_still(server, &snid, &identity, time(NULL)));
	done_with(&out);
	credentials_close(client);
	credentials_close(server);
}

static void test_half_replaced_certificates_leave_the_former(void **state)
{
	struct varp_snid snid = snid_of(SNID);
	struct credentials *credentials;
	FILE *file;
	EVP_PKEY *key = pki_make_key();

	(void)state;
	X509_free(enrol("c", &member));
	credentials = open_dir("c");
	assert_null(credentials_problem(credentials));
	file = create("c", "host.key", 0600);
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	EVP_PKEY_free(key);
	assert_true(credentials_refresh(credentials));
	assert_true(holds(credentials_problem(credentials), "is not the key of host.crt"));
	assert_int_equal(credentials_for(credentials, &snid), CREDENTIALS_CERTIFICATE);
	X509_free(enrol("c", &server_wish));
	assert_true(credentials_refresh(credentials));
	assert_null(credentials_problem(credentials));
	assert_true(credentials_host_permits(credentials, GRANT_SERVER, &snid, NULL));
	forget("c", "host.crt");
	forget("c", "host.key");
	assert_true(credentials_refresh(credentials));
	assert_int_equal(credentials_for(credentials, &snid), CREDENTIALS_NONE);
	credentials_close(credentials);
}

/* --- The exporter (RFC 8446, 7.5), as docs/PROTOCOL.md describes the keys --- */

static char secret_line[256];

static void keep_secret(const SSL *tls, const char *line)
{
	(void)tls;
	if (!strncmp(line, "EXPORTER_SECRET ", 16))
		snprintf(secret_line, sizeof(secret_line), "%s", line);
}

static void expand(const uint8_t secret[32], const char *label, const uint8_t hash[32],
		   uint8_t *out, uint16_t len)
{
	uint8_t info[128], block[32];
	size_t label_len = strlen(label), at = 0;

	assert_true(len <= 32);
	info[at++] = len >> 8;
	info[at++] = len & 0xff;
	info[at++] = 6 + label_len;
	memcpy(info + at, "tls13 ", 6);
	memcpy(info + at + 6, label, label_len);
	at += 6 + label_len;
	info[at++] = 32;
	memcpy(info + at, hash, 32);
	at += 32;
	info[at++] = 1;
	assert_non_null(HMAC(EVP_sha256(), secret, 32, info, at, block, NULL));
	memcpy(out, block, len);
}

static void export_keys(const uint8_t secret[32], const uint8_t *context, size_t len,
			uint8_t out[32])
{
	uint8_t empty[32], hash[32], derived[32];

	EVP_Digest("", 0, empty, NULL, EVP_sha256(), NULL);
	EVP_Digest(context, len, hash, NULL, EVP_sha256(), NULL);
	expand(secret, "EXPORTER-VARP-v1", empty, derived, 32);
	expand(derived, "exporter", hash, out, 32);
}

/* SnId 0x10, session 0x1122334455667788, 192.0.2.1 to 192.0.2.9 */
static const uint8_t context[] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9,
};

static void test_exporter_is_the_documented_one(void **state)
{
	struct varp_snid snid = snid_of(SNID);
	struct credentials *client, *server;
	uint8_t secret[32], keys[32], again[32];
	bool client_done = false, server_done = false;
	const char *client_says = NULL, *server_says = NULL;
	SSL *c, *s;
	BIO *a, *b;
	char *hex;

	(void)state;
	put("c", PSK_FILE, 0600, key_a);
	put("s", PSK_FILE, 0600, key_a);
	client = open_dir("c");
	server = open_dir("s");
	c = credentials_tls(client, &snid);
	s = credentials_tls(server, NULL);
	SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(c), keep_secret);
	BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16);
	SSL_set_bio(c, a, a);
	SSL_set_bio(s, b, b);
	SSL_set_connect_state(c);
	SSL_set_accept_state(s);
	for (int i = 0; i < 4; i++) {
		step(c, true, &client_done, &client_says);
		step(s, false, &server_done, &server_says);
	}
	assert_true(client_done && server_done);
	hex = strrchr(secret_line, ' ');
	assert_non_null(hex);
	assert_int_equal(psk_parse(hex, secret), 0);	/* 32 octets in hex, too */
	export_keys(secret, context, sizeof(context), keys);
	assert_int_equal(SSL_export_keying_material(s, again, 32, "EXPORTER-VARP-v1", 16, context,
						    sizeof(context), 1), 1);
	assert_memory_equal(keys, again, 32);
	assert_int_equal(SSL_export_keying_material(c, again, 32, "EXPORTER-VARP-v1", 16, context,
						    sizeof(context), 1), 1);
	assert_memory_equal(keys, again, 32);
	SSL_free(c);
	SSL_free(s);
	credentials_close(client);
	credentials_close(server);
}

/* The vector in docs/PROTOCOL.md. */
static void test_exporter_vector(void **state)
{
	uint8_t secret[32], keys[32];
	char text[PSK_TEXT];

	(void)state;
	for (int i = 0; i < 32; i++)
		secret[i] = i;
	export_keys(secret, context, sizeof(context), keys);
	assert_string_equal(psk_format(keys, text),
			    "79748d35e69d58d1e33162ec93384f346828a5b2eb6c8bc1bbc80c07758347d6");
}

static int make_authorities(void **state)
{
	(void)state;
	varpd_log_set_level(VARPD_LOG_ERROR);
	if (!mkdtemp(base))
		return -1;
	ca_key = pki_make_key();
	other_key = pki_make_key();
	ca = pki_make_cert("one", ca_key, NULL, 0, 100, NULL, ca_key);
	other_ca = pki_make_cert("two", other_key, NULL, 0, 100, NULL, other_key);
	return ca && other_ca ? 0 : -1;
}

static int remove_all(void **state)
{
	static const char *const dirs[] = { "c/psk", "s/psk", "c", "s", "" };
	char path[PATH_MAX];

	set_up(state);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, dirs[i]);
		rmdir(path);
	}
	X509_free(ca);
	X509_free(other_ca);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(other_key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grants_parse),
		cmocka_unit_test_setup(test_psk_lets_members_in, set_up),
		cmocka_unit_test_setup(test_psk_that_changed_ends_sessions, set_up),
		cmocka_unit_test_setup(test_psk_of_another_key_is_refused, set_up),
		cmocka_unit_test_setup(test_psk_that_the_server_lacks_is_refused, set_up),
		cmocka_unit_test_setup(test_secrets_that_others_may_read_are_refused, set_up),
		cmocka_unit_test_setup(test_secrets_that_a_foreign_group_may_read_are_refused,
				       set_up),
		cmocka_unit_test_setup(test_private_key_that_others_may_read_is_refused, set_up),
		cmocka_unit_test_setup(test_certificates_let_members_in, set_up),
		cmocka_unit_test_setup(test_certificate_permits_what_it_names, set_up),
		cmocka_unit_test_setup(test_certificate_excludes_other_nodes, set_up),
		cmocka_unit_test_setup(test_manager_of_some_or_all, set_up),
		cmocka_unit_test_setup(test_certificates_that_do_not_hold_are_refused, set_up),
		cmocka_unit_test_setup(test_client_without_credentials_is_refused, set_up),
		cmocka_unit_test_setup(test_revoked_certificate_is_refused_and_its_sessions_end,
				       set_up),
		cmocka_unit_test_setup(test_revoked_intermediate_is_refused_and_its_sessions_end,
				       set_up),
		cmocka_unit_test_setup(test_other_authority_ends_sessions, set_up),
		cmocka_unit_test_setup(test_half_replaced_certificates_leave_the_former, set_up),
		cmocka_unit_test_setup(test_exporter_is_the_documented_one, set_up),
		cmocka_unit_test(test_exporter_vector),
	};

	return cmocka_run_group_tests(tests, make_authorities, remove_all);
}
