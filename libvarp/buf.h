/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cursors over octets, network order, with a sticky error: get and put never go past the end, and
 * whether all of them fitted is asked once, at the end. After an error get yields zeros and put
 * writes nothing. Used by the message codec.
 */
#ifndef LIBVARP_BUF_H
#define LIBVARP_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct varp_reader {
	const uint8_t *data;
	size_t left;
	bool error;		/* something was read past the end */
};

struct varp_writer {
	uint8_t *data;
	size_t left;
	bool error;		/* something did not fit */
};

static inline struct varp_reader varp_reader_init(const void *data, size_t len)
{
	return (struct varp_reader){ .data = data, .left = len };
}

static inline struct varp_writer varp_writer_init(void *data, size_t len)
{
	return (struct varp_writer){ .data = data, .left = len };
}

static inline void varp_get(struct varp_reader *r, void *out, size_t len)
{
	if (r->error || len > r->left) {
		r->error = true;
		memset(out, 0, len);
		return;
	}
	memcpy(out, r->data, len);
	r->data += len;
	r->left -= len;
}

static inline uint64_t varp_get_uint(struct varp_reader *r, size_t len)
{
	uint8_t octets[8];
	uint64_t value = 0;
	size_t i;

	varp_get(r, octets, len);
	for (i = 0; i < len; i++)
		value = value << 8 | octets[i];
	return value;
}

static inline uint8_t varp_get_u8(struct varp_reader *r)
{
	return varp_get_uint(r, 1);
}

static inline uint16_t varp_get_u16(struct varp_reader *r)
{
	return varp_get_uint(r, 2);
}

static inline uint32_t varp_get_u32(struct varp_reader *r)
{
	return varp_get_uint(r, 4);
}

static inline uint64_t varp_get_u64(struct varp_reader *r)
{
	return varp_get_uint(r, 8);
}

static inline void varp_put(struct varp_writer *w, const void *in, size_t len)
{
	if (w->error || len > w->left) {
		w->error = true;
		return;
	}
	memcpy(w->data, in, len);
	w->data += len;
	w->left -= len;
}

static inline void varp_put_uint(struct varp_writer *w, uint64_t value, size_t len)
{
	uint8_t octets[8];
	size_t i;

	for (i = 0; i < len; i++)
		octets[i] = value >> (8 * (len - 1 - i));
	varp_put(w, octets, len);
}

static inline void varp_put_u8(struct varp_writer *w, uint8_t value)
{
	varp_put_uint(w, value, 1);
}

static inline void varp_put_u16(struct varp_writer *w, uint16_t value)
{
	varp_put_uint(w, value, 2);
}

static inline void varp_put_u32(struct varp_writer *w, uint32_t value)
{
	varp_put_uint(w, value, 4);
}

static inline void varp_put_u64(struct varp_writer *w, uint64_t value)
{
	varp_put_uint(w, value, 8);
}

#endif
