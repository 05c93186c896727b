/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by varpctl's pki and psk commands: files that are secrets (pki_file.c) and certificates
 * (pki_make.c). Nothing here talks to varpd, which sees the files.
 */
#ifndef VARPCTL_PKI_H
#define VARPCTL_PKI_H

#include <limits.h>
#include <openssl/x509.h>

#include "ctl.h"
#include "grant.h"

/* Where an authority keeps its own files; and where varpd looks for this host's. */
#define PKI_CA_DIR	"/etc/varp/ca"
#define PKI_HOST_DIR	"/etc/varp/pki"
#define PKI_ISSUED	"issued"
#define PKI_NAME_MAX	64
#define PKI_GRANTS_MAX	32
#define PKI_CA_DAYS	3650
#define PKI_HOST_DAYS	365

/* --- pki_file.c; each says what is wrong by itself --- */

/* A directory and those above it, where they are missing. */
enum control_status pki_make_dir(const char *path);
/* DIR/NAME. False: too long, which has been said. */
bool pki_path(char out[PATH_MAX], const char *dir, const char *name);
/* One that is there already is an error, unless force. */
enum control_status pki_check_free(const char *path, bool force);
enum pki_secrecy {
	PKI_PUBLIC,		/* everybody may read it */
	PKI_HOST_SECRET,	/* root and varpd's user */
	PKI_OWN_SECRET,		/* root */
};
/*
 * Writes the whole file or nothing. One that is there already is an error, unless force. The other
 * is durable when this returns.
 */
enum control_status pki_write(const char *path, const void *data, size_t len,
			      enum pki_secrecy secrecy, bool force);
/* The same for what a BIO in memory has collected; frees it. */
enum control_status pki_write_bio(const char *path, BIO *bio, enum pki_secrecy secrecy, bool force);
/* DIR/NAME, in PEM. */
enum control_status pki_write_cert(const char *dir, const char *name, X509 *cert, bool force);
enum control_status pki_write_key(const char *dir, const char *name, EVP_PKEY *key,
				  enum pki_secrecy secrecy, bool force);
enum control_status pki_write_crl(const char *dir, X509_CRL *crl, bool force);
enum control_status pki_read_cert(const char *path, X509 **out);
enum control_status pki_read_key(const char *path, EVP_PKEY **out);
enum control_status pki_read_crl(const char *path, X509_CRL **out);

/* --- pki_make.c; NULL: OpenSSL would not --- */

EVP_PKEY *pki_make_key(void);
/* A certificate for key. ca NULL: of an authority, by itself; else it ends no later than that. */
X509 *pki_make_cert(const char *name, EVP_PKEY *key, const struct grant *grants, size_t count,
		    int days, X509 *ca, EVP_PKEY *ca_key);
/* A list like former (NULL: an empty one) with one more (or NULL). */
X509_CRL *pki_make_crl(X509_CRL *former, X509 *revoked, X509 *ca, EVP_PKEY *ca_key);
bool pki_is_revoked(X509_CRL *crl, X509 *cert);
/* "2027-11-22" */
#define PKI_DATE_LEN	16
char *pki_date(const ASN1_TIME *time, char out[PKI_DATE_LEN]);

#endif
