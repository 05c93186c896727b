// SPDX-License-Identifier: BSD-2-Clause
/*
 * Text forms and classes of identifiers and addresses. Everything here is a pure function of its
 * arguments; inet_pton() and inet_ntop() are used for their grammar alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>

#include "addr.h"

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "0x" and 1 to 2 * len digits, right-aligned into the len octets at out. */
static int parse_hex(const char *text, uint8_t *out, size_t len)
{
	uint8_t value[VARP_SNID_LEN] = { 0 };
	size_t digits, i;

	if (text[0] != '0' || text[1] != 'x')
		return -EINVAL;
	text += 2;
	digits = strnlen(text, 2 * len + 1);
	if (!digits || digits > 2 * len)
		return -EINVAL;
	for (i = 0; i < digits; i++) {
		size_t nibble = digits - 1 - i;	/* counted from the right */
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return -EINVAL;
		value[len - 1 - nibble / 2] |= digit << (nibble % 2 * 4);
	}
	memcpy(out, value, len);
	return 0;
}

static char *format_hex(const uint8_t *value, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;
	size_t i;

	*p++ = '0';
	*p++ = 'x';
	for (i = 0; i < len; i++) {
		*p++ = digits[value[i] >> 4];
		*p++ = digits[value[i] & 0xf];
	}
	*p = '\0';
	return out;
}

/* Nothing but decimal digits, and no more than max. */
static int parse_decimal(const char *text, unsigned int max, unsigned int *value)
{
	unsigned int sum = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		sum = sum * 10 + (*text - '0');
		if (sum > max)
			return -EINVAL;
	}
	*value = sum;
	return 0;
}

int varp_snid_parse(const char *text, struct varp_snid *snid)
{
	return parse_hex(text, snid->b, sizeof(snid->b));
}

int varp_chid_parse(const char *text, struct varp_chid *chid)
{
	return parse_hex(text, chid->b, sizeof(chid->b));
}

int varp_addr_parse(const char *text, struct varp_addr *addr)
{
	struct varp_addr value;

	if (inet_pton(AF_INET, text, value.b + sizeof(v4_prefix)) == 1)
		memcpy(value.b, v4_prefix, sizeof(v4_prefix));
	else if (inet_pton(AF_INET6, text, value.b) != 1)
		return -EINVAL;
	*addr = value;
	return 0;
}

int varp_prefix_parse(const char *text, struct varp_addr *addr, unsigned int *plen)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char copy[VARP_ADDR_TEXT];
	unsigned int bits;
	struct varp_addr value;

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (varp_addr_parse(copy, &value))
		return -EINVAL;
	bits = varp_addr_is_v4(&value) ? 32 : 128;
	if (slash && parse_decimal(slash + 1, bits, &bits))
		return -EINVAL;
	*addr = value;
	*plen = bits;
	return 0;
}

int varp_ttl_parse(const char *text, int32_t *ttl_s)
{
	unsigned int value;

	if (parse_decimal(text, VARPDB_TTL_MAX, &value) || value < VARPDB_TTL_MIN)
		return -EINVAL;
	*ttl_s = value;
	return 0;
}

char *varp_snid_format(const struct varp_snid *snid, char out[VARP_SNID_TEXT])
{
	return format_hex(snid->b, sizeof(snid->b), out);
}

char *varp_chid_format(const struct varp_chid *chid, char out[VARP_CHID_TEXT])
{
	return format_hex(chid->b, sizeof(chid->b), out);
}

char *varp_addr_format(const struct varp_addr *addr, char out[VARP_ADDR_TEXT])
{
	if (varp_addr_is_v4(addr))
		inet_ntop(AF_INET, addr->b + sizeof(v4_prefix), out, VARP_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, addr->b, out, VARP_ADDR_TEXT);
	return out;
}

bool varp_addr_is_v4(const struct varp_addr *addr)
{
	return !memcmp(addr->b, v4_prefix, sizeof(v4_prefix));
}

bool varp_addr_is_zero(const struct varp_addr *addr)
{
	static const struct varp_addr zero;

	return varp_addr_equal(addr, &zero);
}

bool varp_addr_is_loopback(const struct varp_addr *addr)
{
	static const struct varp_addr loopback6 = { .b = { [15] = 1 } };

	return varp_addr_is_v4(addr) ? addr->b[12] == 127 : varp_addr_equal(addr, &loopback6);
}

bool varp_addr_is_unicast(const struct varp_addr *addr)
{
	static const uint8_t any4[4], broadcast4[4] = { 255, 255, 255, 255 };
	const uint8_t *v4 = addr->b + sizeof(v4_prefix);

	if (varp_addr_is_loopback(addr))
		return false;
	if (!varp_addr_is_v4(addr))
		return !varp_addr_is_zero(addr) && addr->b[0] != 0xff;
	return memcmp(v4, any4, 4) && memcmp(v4, broadcast4, 4) && (v4[0] & 0xf0) != 0xe0;
}

bool varp_addr_is_host(const struct varp_addr *addr, unsigned int plen)
{
	const uint8_t *v4 = addr->b + sizeof(v4_prefix);
	uint32_t value = (uint32_t)v4[0] << 24 | v4[1] << 16 | v4[2] << 8 | v4[3], mask;

	if (!plen || !varp_addr_is_v4(addr) || plen >= 31)
		return plen;
	mask = UINT32_MAX >> plen;
	return (value & mask) && (value & mask) != mask;
}

bool varp_ifname_is_valid(const char *name)
{
	size_t len = strnlen(name, VARP_IFNAME_LEN);

	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)name[i] < ' ' || name[i] == '\x7f')
			return false;
	}
	return len && len < VARP_IFNAME_LEN && !strpbrk(name, "/:% ") &&
	       strcmp(name, ".") && strcmp(name, "..");
}

bool varp_prefixes_overlap(const struct varp_addr *a, unsigned int a_len, const struct varp_addr *b,
			   unsigned int b_len)
{
	bool v4 = varp_addr_is_v4(a);
	unsigned int bits = (a_len < b_len ? a_len : b_len) + (v4 ? 96 : 0);

	if (v4 != varp_addr_is_v4(b))
		return false;
	for (unsigned int i = 0; i < bits; i++) {
		if ((a->b[i / 8] ^ b->b[i / 8]) & (0x80 >> i % 8))
			return false;
	}
	return true;
}

/* In the daemon's own namespace; of other ones only the device itself is known. */
