// SPDX-License-Identifier: BSD-2-Clause
/*
 * Makes keys, certificates and lists of revoked ones, by OpenSSL. See pki.h. Certificates begin an
 * hour ago, so that clocks need not agree to the second.
 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pki.h"

#define DAY_S		86400
#define BACKDATE_S	3600
#define SERIAL_LEN	16

EVP_PKEY *pki_make_key(void)
{
	return EVP_EC_gen("P-256");
}

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, ctx, nid, value);
	bool good = extension && X509_add_ext(cert, extension, -1);

	X509_EXTENSION_free(extension);
	return good;
}

static bool add_grants(X509 *cert, X509V3_CTX *ctx, const struct grant *grants, size_t count)
{
	char names[PKI_GRANTS_MAX * (GRANT_TEXT + 8)] = "", text[GRANT_TEXT];
	size_t used = 0;

	for (size_t i = 0; i < count && i < PKI_GRANTS_MAX; i++)
		used += snprintf(names + used, sizeof(names) - used, "%sURI:%s", i ? "," : "",
				 grant_format(&grants[i], text));
	return add_extension(cert, ctx, NID_subject_alt_name, names);
}

static bool add_extensions(X509 *cert, X509 *ca, const struct grant *grants, size_t count)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, ca ? ca : cert, cert, NULL, NULL, 0);
	if (!ca)
		return add_extension(cert, &ctx, NID_basic_constraints,
				     "critical,CA:TRUE,pathlen:0") &&
		       add_extension(cert, &ctx, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		       add_extension(cert, &ctx, NID_subject_key_identifier, "hash");
	return add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, &ctx, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(cert, &ctx, NID_ext_key_usage, "serverAuth,clientAuth") &&
	       add_extension(cert, &ctx, NID_subject_key_identifier, "hash") &&
	       add_extension(cert, &ctx, NID_authority_key_identifier, "keyid") &&
	       add_grants(cert, &ctx, grants, count);
}

static bool set_serial(X509 *cert)
{
	uint8_t octets[SERIAL_LEN];
	BIGNUM *number;
	bool good;

	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	octets[0] = (octets[0] & 0x7f) | 0x40;	/* positive, and always as long */
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return good;
}

static bool set_times(X509 *cert, int days, X509 *ca)
{
	time_t ends = time(NULL) + (time_t)days * DAY_S;

	if (!X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S))
		return false;
	if (ca && X509_cmp_time(X509_get0_notAfter(ca), &ends) < 0)
		return X509_set1_notAfter(cert, X509_get0_notAfter(ca));
	return ASN1_TIME_set(X509_getm_notAfter(cert), ends);
}

X509 *pki_make_cert(const char *name, EVP_PKEY *key, const struct grant *grants, size_t count,
		    int days, X509 *ca, EVP_PKEY *ca_key)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_NAME_new();
	const EVP_MD *digest =
		EVP_PKEY_get_base_id(ca_key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
	bool good = cert && subject && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
		    set_times(cert, days, ca) &&
		    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name,
					       -1, -1, 0) &&
		    X509_set_subject_name(cert, subject) &&
		    X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca) : subject) &&
		    X509_set_pubkey(cert, key) && add_extensions(cert, ca, grants, count) &&
		    X509_sign(cert, ca_key, digest);

	X509_NAME_free(subject);
	if (good)
		return cert;
	X509_free(cert);
	return NULL;
}

/* --- Lists of revoked certificates --- */

static bool add_revoked(X509_CRL *crl, const ASN1_INTEGER *serial, const ASN1_TIME *when)
{
	X509_REVOKED *entry = X509_REVOKED_new();

	if (entry && X509_REVOKED_set_serialNumber(entry, (ASN1_INTEGER *)serial) &&
	    X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)when) &&
	    X509_CRL_add0_revoked(crl, entry))
		return true;
	X509_REVOKED_free(entry);
	return false;
}

static bool copy_revoked(X509_CRL *crl, X509_CRL *former)
{
	STACK_OF(X509_REVOKED) *entries = former ? X509_CRL_get_REVOKED(former) : NULL;

	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);

		if (!add_revoked(crl, X509_REVOKED_get0_serialNumber(entry),
				 X509_REVOKED_get0_revocationDate(entry)))
			return false;
	}
	return true;
}

/* It never grows old by itself: what it says holds as long as the authority does. */
X509_CRL *pki_make_crl(X509_CRL *former, X509 *revoked, X509 *ca, EVP_PKEY *ca_key)
{
	const EVP_MD *digest =
		EVP_PKEY_get_base_id(ca_key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *now = ASN1_TIME_adj(NULL, time(NULL), 0, -BACKDATE_S);
	X509_CRL *crl = X509_CRL_new();
	bool good = number && now && crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
		    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) &&
		    X509_CRL_set1_lastUpdate(crl, now) &&
		    X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(ca)) &&
		    copy_revoked(crl, former) &&
		    (!revoked || add_revoked(crl, X509_get0_serialNumber(revoked), now)) &&
		    ASN1_INTEGER_set_int64(number, time(NULL)) &&
		    X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) &&
		    X509_CRL_sort(crl) && X509_CRL_sign(crl, ca_key, digest);

	ASN1_INTEGER_free(number);
	ASN1_TIME_free(now);
	if (good)
		return crl;
	X509_CRL_free(crl);
	return NULL;
}

bool pki_is_revoked(X509_CRL *crl, X509 *cert)
{
	X509_REVOKED *entry;

	return crl && X509_CRL_get0_by_cert(crl, &entry, cert) == 1;
}

char *pki_date(const ASN1_TIME *time, char out[PKI_DATE_LEN])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm) || !strftime(out, PKI_DATE_LEN, "%Y-%m-%d", &tm))
		strcpy(out, "?");
	return out;
}
