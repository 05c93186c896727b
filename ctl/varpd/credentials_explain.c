// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a handshake's failure means, in words for the person who can mend it: OpenSSL's verdicts on
 * the peer's certificate, the alerts that the peer sent, and errors of TLS itself. Called by the
 * key exchange for its log lines and for status.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "credentials_internal.h"

#define NOT_OURS	"the peer's certificate was issued by an authority that is not in ca.crt"
#define WRONG_CLOCK	"the clock of this host or of the authority is wrong"
#define OF_ONE		"both need certificates of one authority"
#define ENDED		"this host's certificate has expired or is not valid yet: issue a new " \
			"one (varpctl pki issue), or mend the clocks"
#define REVOKED		"this host's certificate was revoked: issue a new one"
#define OTHER_KEY	"the server's pre-shared key for this supernet is another one: copy it " \
			"again"
#define NOTHING_COMMON	"the client named no pre-shared key that is known here, and this host " \
			"has no certificate"
#define NOT_VARP	"there is no VARP key exchange at that port"
#define REFUSED		"the client refused the handshake"

char *credentials_peer_name(SSL *tls, char *out, size_t len)
{
	X509 *cert = SSL_get0_peer_certificate(tls);
	BIO *bio = cert ? BIO_new(BIO_s_mem()) : NULL;
	int n = 0;

	if (bio &&
	    X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(bio, out, len - 1);
	out[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
	return out;
}

/* What we found wrong with the peer's certificate. */
static const struct {
	int error;
	const char *text;
} verdicts[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED,
	  "the peer's certificate has expired: issue it a new one, or mend this host's clock" },
	{ X509_V_ERR_CERT_NOT_YET_VALID,
	  "the peer's certificate is not valid yet: " WRONG_CLOCK },
	{ X509_V_ERR_CERT_REVOKED, "the peer's certificate was revoked" },
	{ X509_V_ERR_CRL_HAS_EXPIRED,
	  "revoked.crl is out of date: get a new one from the authority" },
	{ X509_V_ERR_CRL_NOT_YET_VALID, "revoked.crl is not valid yet: " WRONG_CLOCK },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, NOT_OURS },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, NOT_OURS },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, NOT_OURS },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, NOT_OURS },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE,
	  "the peer's certificate was not signed by the authority in ca.crt, but by another of "
	  "that name" },
};

/* What the other side told us (alerts), or our own TLS found out; for a client's log, and a
 * server's. */
static const struct {
	int reason;
	const char *client, *server;
} reasons[] = {
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA,
	  "the server does not believe the authority of this host's certificate: " OF_ONE,
	  "the client does not believe the authority of this host's certificate: " OF_ONE },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
	  "the server says that " ENDED, "the client says that " ENDED },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
	  "the server says that " REVOKED, "the client says that " REVOKED },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
	  "the server does not accept this host's certificate; its log says why",
	  "the client does not accept this host's certificate; its log says why" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
	  "the server has no pre-shared key for this supernet and wants a certificate: this host "
	  "has none (varpctl psk new, varpctl pki issue)",
	  "the client wants a certificate" },
	{ SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER, OTHER_KEY, REFUSED },
	{ SSL_R_TLSV1_ALERT_DECRYPT_ERROR, OTHER_KEY, REFUSED },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
	  "the server has nothing to prove itself with: neither this supernet's pre-shared key nor "
	  "a certificate",
	  REFUSED },
	{ SSL_R_BINDER_DOES_NOT_VERIFY,
	  "the handshake is malformed",
	  "the client's pre-shared key for its supernet is another one: copy it again" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
	  "the server sent no certificate",
	  "the client has no certificate, and no pre-shared key that is known here" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
	  "the server accepts no signature of this host's key", NOTHING_COMMON },
	{ SSL_R_NO_SHARED_CIPHER, "there is no common cipher", NOTHING_COMMON },
	{ SSL_R_NO_APPLICATION_PROTOCOL,
	  NOT_VARP, "the client does not want a VARP key exchange" },
	{ SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL,
	  NOT_VARP, "the client does not want a VARP key exchange" },
	{ SSL_R_HTTP_REQUEST, "that port speaks HTTP", "the client speaks HTTP" },
	{ SSL_R_WRONG_VERSION_NUMBER,
	  "there is no TLS at that port", "the client does not speak TLS" },
	{ SSL_R_UNSUPPORTED_PROTOCOL,
	  "the server does not speak TLS 1.3", "the client does not speak TLS 1.3" },
};

static const char *explain_verdict(SSL *tls, bool client)
{
	long verdict = SSL_get_verify_result(tls);

	/* With a pre-shared key there is none. */
	if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED)
		return NULL;
	/* The server went on with certificates: it does not know the key that was offered. */
	if (client && credentials_tls_offers_psk(tls))
		return "the server does not know this supernet's pre-shared key: copy it there";
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].error == verdict)
			return verdicts[i].text;
	return X509_verify_cert_error_string(verdict);
}

const char *credentials_explain(SSL *tls, unsigned long code, bool client)
{
	const char *text = explain_verdict(tls, client);

	/* A verdict of our own tells more than any error. */
	if (text || !code)
		return text;
	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == ERR_GET_REASON(code))
			return client ? reasons[i].client : reasons[i].server;
	text = ERR_reason_error_string(code);
	return text ? text : "the TLS handshake failed";
}
