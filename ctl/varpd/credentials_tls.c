// SPDX-License-Identifier: BSD-2-Clause
/*
 * TLS by OpenSSL: the context made from the credentials, and the pre-shared keys' callbacks. TLS
 * 1.3 only; nothing is resumed, no tickets are sent, the peer always proves itself anew. What a
 * failed handshake means in words is in credentials_explain.c.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "credentials_internal.h"

/* Both with SHA-256, which the pre-shared keys are bound to. */
#define SUITES		"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS		"X25519:P-256"
#define CHAIN_OCTETS	16384		/* of a peer's certificates */
#define IDENTITY	"varp:"

/* Hangs on each connection. */
struct state {
	struct credentials *credentials;
	bool client;
	struct varp_snid snid;		/* client: whose key; server: whose key was asked for */
	char identity[sizeof(IDENTITY) + VARP_SNID_TEXT];
};

/* OpenSSL wants a name for what uses sessions, which is what external keys are to it. */
static const unsigned char context[] = "varp";
static int state_index = -1;

static void free_state(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
		       void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	free(ptr);
}

static struct state *state_of(SSL *tls)
{
	return SSL_get_ex_data(tls, state_index);
}

int64_t credentials_seconds(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* --- Pre-shared keys (RFC 8446, external PSK) --- */

static SSL_SESSION *psk_session(SSL *tls, const struct credentials_psk *psk)
{
	static const unsigned char suite[] = { 0x13, 0x01 };	/* TLS_AES_128_GCM_SHA256 */
	SSL_SESSION *session = SSL_SESSION_new();

	if (session && SSL_SESSION_set1_master_key(session, psk->key, PSK_LEN) &&
	    SSL_SESSION_set1_id_context(session, context, sizeof(context) - 1) &&
	    SSL_SESSION_set_cipher(session, SSL_CIPHER_find(tls, suite)) &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/* Client: which key to offer. Without one the handshake goes on with certificates. */
static int use_psk(SSL *tls, const EVP_MD *digest, const unsigned char **id, size_t *id_len,
		   SSL_SESSION **session)
{
	struct state *state = state_of(tls);
	const struct credentials_psk *psk;
	char snid[VARP_SNID_TEXT];

	*session = NULL;
	if (!state->client || (digest && !EVP_MD_is_a(digest, "SHA256")))
		return 1;
	psk = credentials_psk_find(state->credentials, &state->snid);
	if (!psk)
		return 1;
	snprintf(state->identity, sizeof(state->identity), IDENTITY "%s",
		 varp_snid_format(&state->snid, snid));
	*id = (const unsigned char *)state->identity;
	*id_len = strlen(state->identity);
	*session = psk_session(tls, psk);
	return *session != NULL;
}

/* Server: a client names a key. If we do not have it, the client may yet have a certificate. */
static int find_psk(SSL *tls, const unsigned char *id, size_t id_len, SSL_SESSION **session)
{
	struct state *state = state_of(tls);
	const struct credentials_psk *psk;
	char text[sizeof(state->identity)];
	struct varp_snid snid;

	*session = NULL;
	if (id_len <= strlen(IDENTITY) || id_len >= sizeof(text) || memchr(id, '\0', id_len))
		return 1;
	memcpy(text, id, id_len);
	text[id_len] = '\0';
	if (strncmp(text, IDENTITY, strlen(IDENTITY)) ||
	    varp_snid_parse(text + strlen(IDENTITY), &snid))
		return 1;
	psk = credentials_psk_find(state->credentials, &snid);
	if (!psk)
		return 1;
	state->snid = snid;
	*session = psk_session(tls, psk);
	return *session != NULL;
}

/* --- The context --- */

static int choose_alpn(SSL *tls, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned int in_len, void *ctx)
{
	(void)tls;
	(void)ctx;
	return SSL_select_next_proto((unsigned char **)out, out_len,
				     (const unsigned char *)CREDENTIALS_ALPN,
				     strlen(CREDENTIALS_ALPN), in, in_len) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * An authority of which there is no list has revoked nothing. That holds for each in a chain:
 * whoever wants to revoke an intermediate one gives the list of the one above it.
 */
static int verify(int good, X509_STORE_CTX *store)
{
	if (!good && X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	return good;
}

static bool use_certs(SSL_CTX *tls, const struct credentials_certs *certs)
{
	X509_STORE *store = SSL_CTX_get_cert_store(tls);

	for (int i = 0; i < sk_X509_num(certs->anchors); i++)
		if (!X509_STORE_add_cert(store, sk_X509_value(certs->anchors, i)))
			return false;
	for (int i = 0; i < sk_X509_CRL_num(certs->crls); i++)
		if (!X509_STORE_add_crl(store, sk_X509_CRL_value(certs->crls, i)))
			return false;
	if (sk_X509_CRL_num(certs->crls))
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
					    X509_V_FLAG_CRL_CHECK_ALL);
	return SSL_CTX_use_cert_and_key(tls, certs->host, certs->key, certs->chain, 1);
}

SSL_CTX *credentials_context(struct credentials *credentials)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_method());

	if (state_index < 0)
		state_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_state);
	if (!tls || state_index < 0)
		goto fail;
	SSL_CTX_set_app_data(tls, credentials);
	SSL_CTX_set_security_level(tls, 2);
	SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
				 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(tls, CHAIN_OCTETS);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify);
	SSL_CTX_set_verify_depth(tls, CREDENTIALS_DEPTH);
	SSL_CTX_set_psk_use_session_callback(tls, use_psk);
	SSL_CTX_set_psk_find_session_callback(tls, find_psk);
	SSL_CTX_set_alpn_select_cb(tls, choose_alpn, NULL);
	if (!SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(tls, TLS1_3_VERSION) ||
	    !SSL_CTX_set_num_tickets(tls, 0) || !SSL_CTX_set_ciphersuites(tls, SUITES) ||
	    !SSL_CTX_set1_groups_list(tls, GROUPS) ||
	    !SSL_CTX_set_session_id_context(tls, context, sizeof(context) - 1) ||
	    SSL_CTX_set_alpn_protos(tls, (const unsigned char *)CREDENTIALS_ALPN,
				    strlen(CREDENTIALS_ALPN)) ||
	    (credentials->certs && !use_certs(tls, credentials->certs)))
		goto fail;
	return tls;
fail:
	SSL_CTX_free(tls);
	ERR_clear_error();
	return NULL;
}

SSL *credentials_tls(struct credentials *credentials, const struct varp_snid *snid)
{
	struct state *state = calloc(1, sizeof(*state));
	SSL *tls = state ? SSL_new(credentials->tls) : NULL;

	if (!tls || !SSL_set_ex_data(tls, state_index, state)) {
		SSL_free(tls);
		free(state);
		return NULL;
	}
	state->credentials = credentials;
	state->client = snid;
	if (snid)
		state->snid = *snid;
	return tls;
}

const struct varp_snid *credentials_tls_snid(SSL *tls)
{
	return &state_of(tls)->snid;
}

bool credentials_tls_offers_psk(SSL *tls)
{
	const struct state *state = state_of(tls);

	return state->client && credentials_psk_find(state->credentials, &state->snid);
}
