/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Identifiers and addresses: text forms, comparison, classification. Used by everything above;
 * knows nothing but wire.h.
 */
#ifndef LIBVARP_ADDR_H
#define LIBVARP_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <varp/abi.h>

#define VARP_SNID_TEXT	23	/* "0x", 20 digits, NUL */
#define VARP_CHID_TEXT	15	/* "0x", 12 digits, NUL */
#define VARP_ADDR_TEXT	46	/* INET6_ADDRSTRLEN */

/* Text to value: 0, or -EINVAL when text is not one (trailing characters, no digits, too many). */
int varp_snid_parse(const char *text, struct varp_snid *snid);	/* 0x + 1..20 hex digits */
int varp_chid_parse(const char *text, struct varp_chid *chid);	/* 0x + 1..12 hex digits */
/* IPv4 or IPv6, no zone, no prefix */
int varp_addr_parse(const char *text, struct varp_addr *addr);
/*
 * "ADDR/LEN"; plen in the address's own family (0..32 or 0..128); without "/LEN" the full length.
 */
int varp_prefix_parse(const char *text, struct varp_addr *addr, unsigned int *plen);
/*
 * Decimal digits only, VARPDB_TTL_MIN..VARPDB_TTL_MAX; -EINVAL otherwise (so no sign, exponent or
 * blank).
 */
int varp_ttl_parse(const char *text, int32_t *ttl_s);

/* Value to text; both return out. */
char *varp_snid_format(const struct varp_snid *snid, char out[VARP_SNID_TEXT]);
char *varp_chid_format(const struct varp_chid *chid, char out[VARP_CHID_TEXT]);
char *varp_addr_format(const struct varp_addr *addr, char out[VARP_ADDR_TEXT]);

bool varp_addr_is_v4(const struct varp_addr *addr);		/* IPv4 mapped */
bool varp_addr_is_zero(const struct varp_addr *addr);		/* 16 zero octets */
/* May stand as a vaddr or raddr: not unspecified, multicast, broadcast or loopback. */
bool varp_addr_is_unicast(const struct varp_addr *addr);
bool varp_addr_is_loopback(const struct varp_addr *addr);	/* 127.0.0.0/8 or ::1 */

/*
 * May be a host of the network that its first plen bits name (plen in its own family): there is a
 * network, and in IPv4 this is neither its own nor its broadcast address.
 */
bool varp_addr_is_host(const struct varp_addr *addr, unsigned int plen);
/* What the kernel takes as an interface's name, as it stands: no '%', which would be a pattern. */
bool varp_ifname_is_valid(const char *name);

/* Do the prefixes share an address? Each length is in its address's own family. */
bool varp_prefixes_overlap(const struct varp_addr *a, unsigned int a_len, const struct varp_addr *b,
			   unsigned int b_len);

static inline bool varp_addr_equal(const struct varp_addr *a, const struct varp_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static inline bool varp_snid_equal(const struct varp_snid *a, const struct varp_snid *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static inline struct varp_key varp_key_make(const struct varp_snid *snid,
					    const struct varp_addr *vaddr)
{
	struct varp_key key = { .snid = *snid, .vaddr = *vaddr };

	return key;
}

#endif
