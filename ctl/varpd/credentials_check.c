// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who the peer of a finished handshake is, what it may do, and whether that still holds later.
 * Called by the key exchange; that a certificate is genuine, valid and not revoked has been seen to
 * by the handshake.
 */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "credentials_internal.h"

#define CREDENTIALS_GRANTS_MAX	256	/* of one certificate that are looked at */

bool credentials_hash_name(const X509_NAME *name, uint8_t out[CREDENTIALS_HASH_LEN])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (!X509_NAME_digest(name, EVP_sha256(), digest, NULL))
		return false;
	memcpy(out, digest, CREDENTIALS_HASH_LEN);
	return true;
}

bool credentials_hash_cert(const X509 *cert, uint8_t out[CREDENTIALS_HASH_LEN])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (!X509_digest(cert, EVP_sha256(), digest, NULL))
		return false;
	memcpy(out, digest, CREDENTIALS_HASH_LEN);
	return true;
}

static bool name_cert(const X509 *cert, struct credentials_serial *out)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	int len = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || len > CREDENTIALS_SERIAL_LEN)
		return false;
	out->len = len;
	memcpy(out->octets, ASN1_STRING_get0_data(serial), len);
	return credentials_hash_name(X509_get_issuer_name(cert), out->issuer);
}

static int identify_cert(SSL *tls, struct credentials_identity *identity)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(tls);
	int count = sk_X509_num(chain);

	if (count < 1 || count > CREDENTIALS_DEPTH + 2 || SSL_get_verify_result(tls) != X509_V_OK)
		return -EPROTO;
	identity->kind = CREDENTIALS_CERTIFICATE;
	identity->not_after = INT64_MAX;
	for (int i = 0; i < count; i++) {
		const X509 *cert = sk_X509_value(chain, i);
		int64_t ends = credentials_seconds(X509_get0_notAfter(cert));

		if (ends < identity->not_after)
			identity->not_after = ends;
		/* Of one that is its own authority, too, the list is asked. */
		if ((!i || i < count - 1) && !name_cert(cert, &identity->certs[identity->count++]))
			return -EPROTO;
	}
	return credentials_hash_cert(sk_X509_value(chain, count - 1), identity->anchor) ? 0
											: -EPROTO;
}

/* The key proves membership and, since every member has it, no more than that of a server. */
static int identify_psk(const struct credentials *credentials, SSL *tls,
			const struct varp_snid *snid, struct credentials_identity *identity)
{
	const struct credentials_psk *psk = credentials_psk_find(credentials, snid);

	if (!SSL_session_reused(tls))
		return -EPROTO;
	if (!psk || !varp_snid_equal(credentials_tls_snid(tls), snid))
		return -EACCES;
	identity->kind = CREDENTIALS_PSK;
	identity->not_after = INT64_MAX;
	psk_fingerprint(psk->key, identity->anchor, sizeof(identity->anchor));
	return 0;
}

int credentials_check(const struct credentials *credentials, SSL *tls, enum grant_role role,
		      const struct varp_snid *snid, const struct varp_addr *vaddr,
		      struct credentials_identity *identity)
{
	X509 *cert = SSL_get0_peer_certificate(tls);
	const unsigned char *alpn;
	unsigned int alpn_len;
	int err;

	memset(identity, 0, sizeof(*identity));
	/* A peer that names no protocol is not asked for one by TLS. */
	SSL_get0_alpn_selected(tls, &alpn, &alpn_len);
	if (alpn_len != strlen(CREDENTIALS_ALPN) - 1 ||
	    memcmp(alpn, &CREDENTIALS_ALPN[1], alpn_len))
		return -EPROTO;
	if (!cert)
		return identify_psk(credentials, tls, snid, identity);
	err = identify_cert(tls, identity);
	if (err)
		return err;
	return grants_permit(cert, role, snid, vaddr) ? 0 : -EACCES;
}

static bool is_listed(const struct credentials_certs *certs, const struct credentials_serial *cert)
{
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	X509_REVOKED *entry;
	bool listed = !serial || !ASN1_STRING_set(serial, cert->octets, cert->len);

	for (int i = 0; !listed && i < sk_X509_CRL_num(certs->crls); i++)
		if (!memcmp(certs->issuer_hash[i], cert->issuer, CREDENTIALS_HASH_LEN))
			listed = X509_CRL_get0_by_serial(sk_X509_CRL_value(certs->crls, i), &entry,
							 serial) == 1;
	ASN1_INTEGER_free(serial);
	return listed;
}

/* It, or an authority between it and the one that is believed. */
static bool is_revoked(const struct credentials_certs *certs,
		       const struct credentials_identity *identity)
{
	for (int i = 0; i < identity->count; i++)
		if (is_listed(certs, &identity->certs[i]))
			return true;
	return false;
}

static bool is_believed(const struct credentials_certs *certs,
			const struct credentials_identity *identity)
{
	for (int i = 0; i < sk_X509_num(certs->anchors); i++)
		if (!memcmp(certs->anchor_hash[i], identity->anchor, CREDENTIALS_HASH_LEN))
			return true;
	return false;
}

bool credentials_still(const struct credentials *credentials, const struct varp_snid *snid,
		       const struct credentials_identity *identity, int64_t now)
{
	const struct credentials_psk *psk;
	uint8_t print[CREDENTIALS_HASH_LEN];

	if (now > identity->not_after)
		return false;
	if (identity->kind == CREDENTIALS_PSK) {
		psk = credentials_psk_find(credentials, snid);
		if (!psk)
			return false;
		psk_fingerprint(psk->key, print, sizeof(print));
		return !memcmp(print, identity->anchor, sizeof(print));
	}
	return credentials->certs && is_believed(credentials->certs, identity) &&
	       !is_revoked(credentials->certs, identity);
}

int credentials_identify(SSL *tls, struct credentials_identity *identity)
{
	X509 *cert = SSL_get0_peer_certificate(tls);
	const unsigned char *alpn;
	unsigned int alpn_len;

	memset(identity, 0, sizeof(*identity));
	SSL_get0_alpn_selected(tls, &alpn, &alpn_len);
	return cert && !alpn_len ? identify_cert(tls, identity) : -EPROTO;
}

bool credentials_may_manage(X509 *cert, const struct varp_snid *snid)
{
	struct grant grants[CREDENTIALS_GRANTS_MAX];
	size_t count;

	if (snid)
		return grants_permit(cert, GRANT_MANAGER, snid, NULL);
	count = grants_of(cert, grants, CREDENTIALS_GRANTS_MAX, NULL);
	for (size_t i = 0; i < count; i++)
		if (grants[i].role == GRANT_MANAGER && grants[i].every)
			return true;
	return false;
}

bool credentials_may_manage_any(X509 *cert)
{
	struct grant grants[CREDENTIALS_GRANTS_MAX];
	size_t count = grants_of(cert, grants, CREDENTIALS_GRANTS_MAX, NULL);

	for (size_t i = 0; i < count; i++)
		if (grants[i].role == GRANT_MANAGER)
			return true;
	return false;
}
