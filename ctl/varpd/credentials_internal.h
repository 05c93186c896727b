/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by credentials.c (what is there), credentials_read.c (reading it), credentials_tls.c (TLS
 * contexts), credentials_check.c (who is the peer) and credentials_explain.c (what went wrong). For
 * nobody else.
 */
#ifndef VARPD_CREDENTIALS_INTERNAL_H
#define VARPD_CREDENTIALS_INTERNAL_H

#include <limits.h>
#include <uthash.h>

#include "credentials.h"

#define CREDENTIALS_FILE_MAX	64	/* certificates or lists in one file */

struct credentials_psk {
	struct varp_snid snid;
	uint8_t key[PSK_LEN];
	UT_hash_handle hh;
};

/* Certificates, read as a whole and replaced as a whole. */
struct credentials_certs {
	X509 *host;
	EVP_PKEY *key;
	STACK_OF(X509) *chain;		/* intermediates behind host */
	STACK_OF(X509) *anchors;
	STACK_OF(X509_CRL) *crls;	/* may be empty */
	int64_t not_after;		/* of host */
	/* Hashes of the anchors and of the lists' issuers, in their order. */
	uint8_t anchor_hash[CREDENTIALS_FILE_MAX][CREDENTIALS_HASH_LEN];
	uint8_t issuer_hash[CREDENTIALS_FILE_MAX][CREDENTIALS_HASH_LEN];
};

struct credentials {
	char dir[PATH_MAX];
	struct credentials_psk *psks;		/* hash by snid */
	struct credentials_certs *certs;	/* NULL: none */
	SSL_CTX *tls;				/* of the above; always there */
	uint64_t seen;				/* what the directory looked like; a hash */
	uint64_t looked_ns;			/* when, boot time */
	unsigned int generation;
	struct varpd_error problem;		/* empty: none */
};

/* --- credentials_read.c --- */

/* A number that changes whenever a file does. */
uint64_t credentials_look(const char *dir);
/* -EACCES with *problem: whom varpd runs as may not enter what the credentials are in. */
int credentials_reach(const char *dir, struct varpd_error *problem);
/* All keys that can be used; those that cannot are logged. */
struct credentials_psk *credentials_read_psks(const char *dir, struct varpd_error *problem);
void credentials_free_psks(struct credentials_psk *psks);
/* 0 with *out NULL where there are no certificates; -errno with *problem. */
int credentials_read_certs(const char *dir, struct credentials_certs **out,
			   struct varpd_error *problem);
void credentials_free_certs(struct credentials_certs *certs);

/* --- credentials_tls.c --- */

SSL_CTX *credentials_context(struct credentials *credentials);
int64_t credentials_seconds(const ASN1_TIME *time);	/* since 1970 */
/* Whose pre-shared key a connection used, if it used one. */
const struct varp_snid *credentials_tls_snid(SSL *tls);
/* Is this a client that has a key for its supernet? */
bool credentials_tls_offers_psk(SSL *tls);

/* --- credentials_check.c --- */

/* The beginning of SHA-256. False: no memory. */
bool credentials_hash_name(const X509_NAME *name, uint8_t out[CREDENTIALS_HASH_LEN]);
bool credentials_hash_cert(const X509 *cert, uint8_t out[CREDENTIALS_HASH_LEN]);

/* --- credentials.c --- */

const struct credentials_psk *credentials_psk_find(const struct credentials *credentials,
						   const struct varp_snid *snid);
#endif
