/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this host can prove with, and believes: the directory of certificates and pre-shared keys,
 * kept in memory and read again when it changes. Called by the key exchange (keyx*.c) and by
 * whoever asks whether a supernet has credentials at all. Knows TLS contexts, but no connection and
 * no session.
 *
 *   ca.crt        authorities that are believed (one or more, PEM)
 *   host.crt      this host's certificate, and intermediate ones behind it
 *   host.key      its key; nobody else's to read
 *   revoked.crl   optional: lists of revoked certificates, one or more, PEM
 *   psk/SNID.psk  a supernet's pre-shared key
 *
 * A pre-shared key is for one supernet, whose members all have it; for a supernet that has one,
 * certificates are not asked for.
 */
#ifndef VARPD_CREDENTIALS_H
#define VARPD_CREDENTIALS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "grant.h"
#include "psk.h"

#define CREDENTIALS_ALPN		"\x06varp/1"	/* as in the TLS extension */
#define CREDENTIALS_HASH_LEN		16		/* octets kept of SHA-256 */
#define CREDENTIALS_SERIAL_LEN		20		/* RFC 5280 */
#define CREDENTIALS_DEPTH		4		/* intermediate certificates of a peer */

struct credentials;

enum credentials_kind {
	CREDENTIALS_NONE,
	CREDENTIALS_PSK,
	CREDENTIALS_CERTIFICATE,
	CREDENTIALS_KINDS,
};

/* By which a list of revoked certificates names one. */
struct credentials_serial {
	uint8_t issuer[CREDENTIALS_HASH_LEN];	/* of its name */
	uint8_t len;
	uint8_t octets[CREDENTIALS_SERIAL_LEN];
};

/* Whom a session was made with: as much as is needed to ask later whether that still holds. */
struct credentials_identity {
	uint8_t kind;				/* enum credentials_kind */
	uint8_t count;				/* of certs */
	/* CERTIFICATE: the peer's first, then up to the authority's, which is not among them. */
	struct credentials_serial certs[1 + CREDENTIALS_DEPTH];
	uint8_t anchor[CREDENTIALS_HASH_LEN];	/* of the authority's certificate; PSK: the key */
	int64_t not_after;			/* seconds since 1970; the earliest of the chain */
};

/* NULL: no memory. Reads the directory; what is wrong with it is logged. */
struct credentials *credentials_open(const char *dir);
void credentials_close(struct credentials *credentials);
/*
 * Reads again what changed. True: something did. A file that cannot be used is logged, once;
 * certificates that were read before stay in effect then, a pre-shared key does not.
 */
bool credentials_refresh(struct credentials *credentials);
/* Counts how often the directory was read, so that somebody can tell that it was read again. */
unsigned int credentials_generation(const struct credentials *credentials);

/*
 * Which kind a key exchange about this supernet would use. Where there is none yet the directory is
 * looked at again (at most ten times a second), so that a new file counts at once.
 */
enum credentials_kind credentials_for(struct credentials *credentials,
				      const struct varp_snid *snid);
const char *credentials_kind_name(enum credentials_kind kind);
/* Is there anything at all to prove with? */
bool credentials_any(const struct credentials *credentials);
/* What is wrong with the directory, for a person; NULL: nothing. */
const char *credentials_problem(const struct credentials *credentials);
/* When this host's certificate ends, seconds since 1970; zero: there is none. */
int64_t credentials_host_ends(const struct credentials *credentials);
/* Does this host's own certificate permit it? */
bool credentials_host_permits(const struct credentials *credentials, enum grant_role role,
			      const struct varp_snid *snid, const struct varp_addr *vaddr);

/*
 * Would a key exchange be by this host's certificate, and that bind it to other nodes of the supernet?
 * Then it must not be this one (NULL: any but those). Looks at the directory again, as above, before
 * it says so.
 */
bool credentials_exclude(struct credentials *credentials, const struct varp_snid *snid,
			 const struct varp_addr *vaddr);

/*
 * A connection with everything set but its direction. snid: the client's supernet, NULL at a
 * server, which learns it. NULL: no memory.
 */
SSL *credentials_tls(struct credentials *credentials, const struct varp_snid *snid);
/*
 * After the handshake: whom are we talking to? As a client: is it a server of snid? As a server: is
 * it a member, as this node (zero: as none)? 0 with *identity; -EACCES: authenticated, but not
 * permitted; -EPROTO.
 */
int credentials_check(const struct credentials *credentials, SSL *tls, enum grant_role role,
		      const struct varp_snid *snid, const struct varp_addr *vaddr,
		      struct credentials_identity *identity);
/* Does it still hold: not expired, not revoked, its authority or key still there? */
bool credentials_still(const struct credentials *credentials, const struct varp_snid *snid,
		       const struct credentials_identity *identity, int64_t now);

/*
 * After the handshake of a connection that is no key exchange: whose certificate is it? 0 with
 * *identity, for credentials_still(); -EPROTO: there is none, or the peer wants a key exchange.
 */
int credentials_identify(SSL *tls, struct credentials_identity *identity);
/* A peer's certificate, verified: may it manage the supernet? snid NULL: every one there is? */
bool credentials_may_manage(X509 *cert, const struct varp_snid *snid);
bool credentials_may_manage_any(X509 *cert);

/* Names the peer of a connection: its certificate's subject, or "". For log lines. */
char *credentials_peer_name(SSL *tls, char *out, size_t len);
/*
 * Why a handshake failed, for the person who reads this side's log. code: of the OpenSSL error
 * queue or zero. The text names what to do where that is known. NULL: TLS knows of nothing wrong.
 */
const char *credentials_explain(SSL *tls, unsigned long code, bool client);

#endif
