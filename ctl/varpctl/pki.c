// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl pki init, issue, revoke: a small certification authority for those who have none. Its
 * files stay where it is made; a host gets a directory of its own, ready to be copied. Showing is
 * pki_show.c's.
 *
 *   DIR/ca.crt, ca.key, revoked.crl
 *   DIR/issued/NAME/ca.crt, host.crt, host.key, revoked.crl
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pki.h"
#include "print.h"

#define DAYS_MAX	36500

/* An authority, open. */
struct authority {
	const char *dir;
	X509 *cert;
	EVP_PKEY *key;
	X509_CRL *crl;
};

static void close_authority(struct authority *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	X509_CRL_free(ca->crl);
}

static enum control_status open_authority(struct authority *ca)
{
	enum control_status status;
	char path[PATH_MAX];

	if (!pki_path(path, ca->dir, "ca.key"))
		return CONTROL_USAGE;
	if (access(path, F_OK))
		return ctl_fail(
			CONTROL_FAILED,
			"there is no authority in %s: `varpctl pki init` makes one, dir DIR names "
			"another place",
			ca->dir);
	status = pki_read_key(path, &ca->key);
	if (!status)
		status = pki_path(path, ca->dir, "ca.crt") ? pki_read_cert(path, &ca->cert)
							   : CONTROL_USAGE;
	if (!status && pki_path(path, ca->dir, "revoked.crl") && !access(path, F_OK))
		status = pki_read_crl(path, &ca->crl);
	if (!status && !X509_check_private_key(ca->cert, ca->key))
		status = ctl_fail(CONTROL_FAILED, "%s/ca.key is not the key of ca.crt", ca->dir);
	return status;
}

/* --- What was done --- */

static enum control_status tell(const struct ctl *ctl, const char *key, const char *value,
				const char *text)
{
	json_t *result;

	if (ctl->json) {
		result = json_pack("{s:s}", key, value);
		ctl_json(ctl, result);
		json_decref(result);
	} else {
		puts(text);
	}
	return CONTROL_OK;
}

/* --- init --- */

enum control_status ctl_pki_init(struct ctl *ctl, char **words, unsigned int count)
{
	struct authority ca = { .dir = count ? words[0] : PKI_CA_DIR };
	enum control_status status = pki_make_dir(ca.dir);
	char text[PATH_MAX + 128], name[32];
	uint32_t number;

	if (status)
		return status;
	/* Authorities of one name would be taken for each other. */
	if (RAND_bytes((uint8_t *)&number, sizeof(number)) != 1)
		return ctl_fail(CONTROL_FAILED, "the system has no random numbers");
	snprintf(name, sizeof(name), "VARP authority %08x", number);
	ca.key = pki_make_key();
	if (ca.key)
		ca.cert = pki_make_cert(name, ca.key, NULL, 0, PKI_CA_DAYS, NULL, ca.key);
	if (ca.cert)
		ca.crl = pki_make_crl(NULL, NULL, ca.cert, ca.key);
	if (!ca.crl)
		status = ctl_fail(CONTROL_FAILED, "OpenSSL cannot make a certificate");
	/* The key comes first: where there is one already nothing else is touched. */
	if (!status)
		status = pki_write_key(ca.dir, "ca.key", ca.key, PKI_OWN_SECRET, ctl->force);
	if (!status)
		status = pki_write_cert(ca.dir, "ca.crt", ca.cert, true);
	if (!status)
		status = pki_write_crl(ca.dir, ca.crl, true);
	close_authority(&ca);
	if (status)
		return status;
	snprintf(text, sizeof(text), "authority made in %s; keep ca.key there, and there alone",
		 ca.dir);
	return tell(ctl, "dir", ca.dir, text);
}

/* --- issue --- */

struct order {
	const char *name, *dir, *into;
	int days;
	struct grant grants[PKI_GRANTS_MAX];
	size_t count;
};

static enum control_status check_name(const struct ctl *ctl, const char *name)
{
	size_t len = strlen(name);

	if (!len || len > PKI_NAME_MAX || name[0] == '.' || name[0] == '-' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		    len)
		return ctl_usage(ctl,
				 "'%s' cannot be the name of a host here (1 to %d letters, digits, "
				 "'.', '_', '-')",
				 name, PKI_NAME_MAX);
	return CONTROL_OK;
}

/* `role SNID`, and behind a member's perhaps a vaddr. Moves *at past what it takes. */
static enum control_status take_grant(const struct ctl *ctl, enum grant_role role, char **words,
				      unsigned int count, unsigned int *at, struct order *order)
{
	struct grant *grant = &order->grants[order->count];
	const char *snid = words[*at];

	if (order->count == PKI_GRANTS_MAX)
		return ctl_usage(ctl, "one certificate permits %d things at most", PKI_GRANTS_MAX);
	memset(grant, 0, sizeof(*grant));
	grant->role = role;
	grant->every = !strcmp(snid, "*");
	if (!grant->every && varp_snid_parse(snid, &grant->snid))
		return ctl_usage(ctl,
				 "'%s' is not a supernet identifier (0x and 1 to 20 hex digits, or "
				 "'*' for all)",
				 snid);
	++*at;
	if (role == GRANT_MEMBER && *at < count && !varp_addr_parse(words[*at], &grant->vaddr)) {
		grant->bound = true;
		++*at;
		if (!varp_addr_is_unicast(&grant->vaddr))
			return ctl_usage(ctl, "vaddr %s is not the address of a host",
					 words[*at - 1]);
	}
	order->count++;
	return CONTROL_OK;
}

static enum control_status take_days(const struct ctl *ctl, const char *text, struct order *order)
{
	char *end;
	long days = strtol(text, &end, 10);

	if (*end || days < 1 || days > DAYS_MAX)
		return ctl_usage(ctl, "days '%s' is not a number from 1 to %d", text, DAYS_MAX);
	order->days = (int)days;
	return CONTROL_OK;
}

static int find_role(const char *word)
{
	for (int role = 0; role < GRANT_ROLES; role++)
		if (!strcmp(word, grant_role_name(role)))
			return role;
	return -1;
}

static enum control_status parse_order(const struct ctl *ctl, char **words, unsigned int count,
				       struct order *order)
{
	enum control_status status = check_name(ctl, words[0]);

	*order = (struct order){ .name = words[0], .dir = PKI_CA_DIR, .days = PKI_HOST_DAYS };
	for (unsigned int at = 1; at < count && !status;) {
		const char *word = words[at++];
		int role = find_role(word);

		if (role < 0 && strcmp(word, "days") && strcmp(word, "dir") && strcmp(word, "into"))
			return ctl_usage(ctl, "unknown word '%s'", word);
		if (at == count)
			return ctl_usage(ctl, "%s needs a value", word);
		if (role >= 0)
			status = take_grant(ctl, role, words, count, &at, order);
		else if (!strcmp(word, "days"))
			status = take_days(ctl, words[at++], order);
		else if (!strcmp(word, "dir"))
			order->dir = words[at++];
		else
			order->into = words[at++];
	}
	if (!status && !order->count)
		return ctl_usage(ctl,
				 "a certificate that permits nothing is of no use: name member, "
				 "server or manager and a supernet");
	return status;
}

/* A certificate that goes out of use may have to be revoked yet: it stays, under its serial. */
static enum control_status keep_former(const char *dir)
{
	char path[PATH_MAX], aside[PATH_MAX], name[64];
	enum control_status status;
	X509 *former = NULL;
	BIGNUM *serial;
	char *hex;

	if (!pki_path(path, dir, "host.crt") || access(path, F_OK))
		return CONTROL_OK;
	status = pki_read_cert(path, &former);
	if (status)
		return status;
	serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(former), NULL);
	hex = serial ? BN_bn2hex(serial) : NULL;
	snprintf(name, sizeof(name), "former-%.40s.crt", hex ? hex : "");
	if (!pki_path(aside, dir, name) || rename(path, aside))
		status = ctl_fail(CONTROL_FAILED, "cannot keep the former %s: %s", path,
				  strerror(errno));
	OPENSSL_free(hex);
	BN_free(serial);
	X509_free(former);
	return status;
}

/* A host's directory of credentials. */
static enum control_status write_host(const struct authority *ca, const char *dir, X509 *cert,
				      EVP_PKEY *key, bool force)
{
	enum control_status status = pki_make_dir(dir);

	if (!status)
		status = pki_write_key(dir, "host.key", key, PKI_HOST_SECRET, force);
	if (!status)
		status = pki_write_cert(dir, "host.crt", cert, force);
	if (!status)
		status = pki_write_cert(dir, "ca.crt", ca->cert, true);
	if (!status && ca->crl)
		status = pki_write_crl(dir, ca->crl, true);
	return status;
}

static enum control_status issue(struct ctl *ctl, const struct order *order,
				 const struct authority *ca, X509 *cert, EVP_PKEY *key)
{
	char issued[PATH_MAX], own[PATH_MAX], text[3 * PATH_MAX], date[PKI_DATE_LEN];
	enum control_status status;

	if (!pki_path(issued, order->dir, PKI_ISSUED) || !pki_path(own, issued, order->name))
		return CONTROL_USAGE;
	status = ctl->force ? keep_former(own) : CONTROL_OK;
	if (!status && order->into) {
		/* The authority keeps the certificate, so that it can be shown and revoked. */
		status = pki_make_dir(own);
		if (!status)
			status = pki_write_cert(own, "host.crt", cert, false);
	}
	if (!status)
		status = write_host(ca, order->into ? order->into : own, cert, key, ctl->force);
	if (status)
		return status;
	pki_date(X509_get0_notAfter(cert), date);
	if (order->into)
		snprintf(text, sizeof(text),
			 "certificate issued to %s, until %s: its files are in %s", order->name,
			 date, order->into);
	else
		snprintf(text, sizeof(text),
			 "certificate issued to %s, until %s: copy what is in %s to %s "
			 "on that host, then delete host.key here",
			 order->name, date, own, PKI_HOST_DIR);
	return tell(ctl, "dir", order->into ? order->into : own, text);
}

enum control_status ctl_pki_issue(struct ctl *ctl, char **words, unsigned int count)
{
	struct order order;
	struct authority ca = { .dir = NULL };
	enum control_status status = parse_order(ctl, words, count, &order);
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;

	ca.dir = order.dir;
	if (!status)
		status = open_authority(&ca);
	if (!status) {
		key = pki_make_key();
		if (key)
			cert = pki_make_cert(order.name, key, order.grants, order.count, order.days,
					     ca.cert, ca.key);
		if (!cert)
			status = ctl_fail(CONTROL_FAILED, "OpenSSL cannot make the certificate");
	}
	if (!status)
		status = issue(ctl, &order, &ca, cert, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	close_authority(&ca);
	return status;
}

/* --- revoke --- */

static enum control_status revoke_cert(struct ctl *ctl, struct authority *ca, X509 *cert,
				       const char *what)
{
	enum control_status status;
	char text[2 * PATH_MAX + 256];
	X509_CRL *crl;

	if (X509_verify(cert, X509_get0_pubkey(ca->cert)) != 1)
		return ctl_fail(CONTROL_FAILED, "%s was not issued by the authority in %s", what,
				ca->dir);
	if (pki_is_revoked(ca->crl, cert))
		return ctl_fail(CONTROL_FAILED, "%s is revoked already", what);
	crl = pki_make_crl(ca->crl, cert, ca->cert, ca->key);
	if (!crl)
		return ctl_fail(CONTROL_FAILED, "OpenSSL cannot make the list");
	status = pki_write_crl(ca->dir, crl, true);
	X509_CRL_free(crl);
	if (status)
		return status;
	snprintf(text, sizeof(text),
		 "%s is revoked; copy %s/revoked.crl to %s of every host that serves "
		 "supernets (and of the others when that can wait): it holds there within a minute",
		 what, ca->dir, PKI_HOST_DIR);
	return tell(ctl, "revoked", what, text);
}

enum control_status ctl_pki_revoke(struct ctl *ctl, char **words, unsigned int count)
{
	struct authority ca = { .dir = PKI_CA_DIR };
	char path[PATH_MAX], issued[PATH_MAX], own[PATH_MAX];
	enum control_status status;
	X509 *cert = NULL;

	if (count == 2 || (count == 3 && strcmp(words[1], "dir")))
		return ctl_usage(ctl, "behind %s only dir DIR may stand", words[0]);
	if (count == 3)
		ca.dir = words[2];
	status = strchr(words[0], '/') ? CONTROL_OK : check_name(ctl, words[0]);
	if (status)
		return status;
	if (!pki_path(issued, ca.dir, PKI_ISSUED) || !pki_path(own, issued, words[0]) ||
	    !pki_path(path, own, "host.crt"))
		return CONTROL_USAGE;
	status = open_authority(&ca);
	if (!status)
		status = pki_read_cert(strchr(words[0], '/') ? words[0] : path, &cert);
	if (!status)
		status = revoke_cert(ctl, &ca, cert, words[0]);
	X509_free(cert);
	close_authority(&ca);
	return status;
}
