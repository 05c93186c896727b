/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What sealing and opening share: the workbench, a channel's keys by epoch, and the additional data that a tag covers.
 * A key is set to work in one place, channel_subkey(), and never leaves the map and the workbench.
 */
#ifndef VARP_BPF_CHANNEL_H
#define VARP_BPF_CHANNEL_H

#include "addr.h"
#include "aead.h"
#include "stats.h"

_Static_assert(CRYPT_TEXT_MAX == VARP_KEYED_MAX, "as long as the longest packet");
_Static_assert(CRYPT_AAD_LEN == 2 * 16 + VARP_GENEVE_KEYED_TAGGED_LEN, "all that is covered");
_Static_assert(CRYPT_KEY_LEN == VARP_CHANNEL_KEY_LEN, "keys are keys");

/*
 * A packet on the workbench, and what is known of it. Here and not on the stack, of which a program and all that it
 * calls have 512 octets; hence also steps that follow each other rather than call each other.
 */
struct bench {
	struct crypt crypt;
	__u64 key[VARP_CHANNEL_KEY_LEN / 8];	/* the channel's, of the packet's epoch */
	__u32 mode;		/* enum varp_channel_mode */
	__u32 len;		/* of the text */
	/* Only of what arrives: */
	struct varp_addr src;	/* outer */
	struct varp_addr dst;
	__u32 opt_off;		/* of our option in the frame */
	__u32 inner_off;
	struct varp_sender_key sender;
	struct varp_key node;	/* that it is for */
	__u64 seq;
	__u64 tag[2];		/* that it came with */
};

/*
 * Of this CPU; TC programs run with bottom halves off and are not nested in each other. What it holds is gone with the
 * next packet, and with the load of the programs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct bench);
	__uint(max_entries, 1);
} varp_bench SEC(".maps");

/* In front of the tag, as on the wire, so that it can be copied in words. */
struct channel_aad {
	struct varp_addr src;
	struct varp_addr dst;
	union {
		struct varp_geneve_keyed opt;	/* without its tag */
		__u64 words[VARP_GENEVE_KEYED_TAGGED_LEN / 8];
	};
};

static __always_inline struct bench *bench_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&varp_bench, &zero);
}

static __always_inline struct channel_aad *crypt_aad(struct crypt *c)
{
	return (struct channel_aad *)(c->b + CRYPT_AAD);
}

static __always_inline bool key_equal(const __u64 a[4], const __u64 b[4])
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

static __always_inline void key_copy(__u64 to[4], const __u64 from[4])
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/* The one whose time to send with came last; NULL: none. */
static __always_inline struct varp_epoch *epoch_to_send(struct varp_channel *ch, __u64 now)
{
	struct varp_epoch *best = NULL, *e;
	__u64 send_ns = 0;
	int i;

	for (i = 0; i < VARP_EPOCHS; i++) {
		e = &ch->epochs[i];
		if (e->ends_ns <= now || e->send_ns > now || e->send_ns < send_ns)
			continue;
		send_ns = e->send_ns;
		best = e;
	}
	return best;
}

static __always_inline bool combo_equal(const struct varp_combo *a, const struct varp_combo *b)
{
	const word32 *x = (const word32 *)a, *y = (const word32 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

/*
 * Copies an epoch's key. False: meanwhile the epoch, or the channel as a whole, gave its memory to another, and there
 * is no telling whose the copy is. varpd's writing goes from front to back, so the combo is looked at last.
 */
static __always_inline bool epoch_copy_key(const struct varp_channel *ch, const struct varp_combo *combo,
					   const struct varp_epoch *e, __u32 epoch, __u64 key[4])
{
	key_copy(key, e->key);
	barrier();
	return *(volatile __u32 *)&e->epoch == epoch && combo_equal(&ch->combo, combo);
}

/* By its number in a packet; NULL: no such, or over. */
static __always_inline struct varp_epoch *epoch_find(struct varp_channel *ch, __u32 number, __u64 now)
{
	struct varp_epoch *e = &ch->epochs[number % VARP_EPOCHS];

	if (e->ends_ns <= now || (e->epoch & 0xffff) != number)
		return NULL;
	return e;
}

/* c->key is a channel's key, salt the sender's: from here on it is the key that the two make. */
static __always_inline void channel_subkey(struct crypt *c, const __u64 salt[2])
{
	c->tag[0] = salt[0];
	c->tag[1] = salt[1];
	hchacha20(c);
}

#endif
