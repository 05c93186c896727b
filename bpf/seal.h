/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Encapsulation in a keyed channel: the packet is copied to the workbench, tagged or encrypted there, and comes back
 * behind headers with the longer option. Called by encap.h once it is known where the packet goes and that it fits.
 *
 * A nonce is this load's salt and a counter that all CPUs and channels share, so it is never used twice, whatever
 * becomes of varpd, of maps and of keys.
 */
#ifndef VARP_BPF_SEAL_H
#define VARP_BPF_SEAL_H

#include "admit.h"
#include "channel.h"

/* Numbers given away so far. Not pinned: it and the salt begin anew together. */
__u64 sender_seq;

struct seal_key_id {
	struct varp_combo combo;
	__u32 epoch;
};

struct seal_key {
	__u64 key[4];		/* the channel's, to know when it has changed */
	__u64 subkey[4];
};

/* HChaCha20's results for this load's salt. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct seal_key_id);
	__type(value, struct seal_key);
	__uint(max_entries, 1024);
} varp_seal_keys SEC(".maps");

/* c->key is the channel's key, and becomes what encryption asks for. */
static __always_inline void seal_subkey(struct crypt *c, const struct varp_combo *combo, __u32 epoch)
{
	const __u64 salt[2] = { sender_salt[0], sender_salt[1] };
	struct seal_key_id id = { .epoch = epoch };
	struct seal_key *known, new;

	snid_copy(&id.combo.snid, &combo->snid);
	chid_copy(&id.combo.chid, &combo->chid);
	known = bpf_map_lookup_elem(&varp_seal_keys, &id);
	if (known && key_equal(known->key, c->key)) {
		key_copy(c->key, known->subkey);
		return;
	}
	key_copy(new.key, c->key);
	channel_subkey(c, salt);
	key_copy(new.subkey, c->key);
	/* Should it fail, the next packet computes it again. */
	bpf_map_update_elem(&varp_seal_keys, &id, &new, BPF_ANY);
}

/* All of the option but the tag. */
static __always_inline void seal_option(struct channel_aad *aad, const struct varp_combo *combo, __u32 mode,
					__u32 epoch, __u64 seq)
{
	aad->opt.opt_class = bpf_htons(VARP_GENEVE_OPT_CLASS);
	aad->opt.type = VARP_GENEVE_KEYED_TYPE;
	aad->opt.rsvd_words = VARP_GENEVE_KEYED_WORDS;
	snid_copy(&aad->opt.snid, &combo->snid);
	chid_copy(&aad->opt.chid, &combo->chid);
	aad->opt.mode = mode;
	aad->opt.reserved = 0;
	aad->opt.epoch = bpf_htons(epoch);
	aad->words[3] = sender_salt[0];
	aad->words[4] = sender_salt[1];
	aad->words[5] = bpf_cpu_to_be64(seq);
}

/*
 * The packet at ETH_HLEN onto the workbench, and all that seal_finish() needs beside it. VERDICT_OK, or the reason why
 * it must be dropped.
 */
static __noinline int seal_begin(struct __sk_buff *skb, const struct job *job, const struct varp_addr *src,
				 const struct varp_addr *dst)
{
	const struct varp_combo *combo = (const struct varp_combo *)&job->dev->snid;
	struct varp_channel *ch = bpf_map_lookup_elem(&varp_channels, combo);
	struct bench *bench = bench_get();
	__u64 len = job->in.len;
	struct channel_aad *aad;
	struct varp_epoch *e;
	__u32 epoch;

	if (!bench || !ch || ch->mode != job->dev->mode)
		return VARP_DROP_CHANNEL_KEY;
	e = epoch_to_send(ch, job->now);
	if (!e)
		return VARP_DROP_CHANNEL_KEY;
	epoch = e->epoch;
	if (!epoch_copy_key(ch, combo, e, epoch, bench->crypt.key))
		return VARP_DROP_CHANNEL_KEY;
	if (skb->gso_size || !(sender_salt[0] | sender_salt[1]))
		return VARP_DROP_SEAL_FAILED;
	/* Two comparisons of one register: the verifier must see both bounds. */
	asm volatile("" : "+r"(len));
	if (len < sizeof(struct iphdr) || len > CRYPT_TEXT_MAX)
		return VARP_DROP_SEAL_FAILED;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, bench->crypt.b + CRYPT_TEXT, len))
		return VARP_DROP_SEAL_FAILED;

	bench->mode = job->dev->mode;
	bench->len = len;
	aad = crypt_aad(&bench->crypt);
	aad->src = *src;
	aad->dst = *dst;
	seal_option(aad, combo, bench->mode, epoch, __sync_fetch_and_add(&sender_seq, 1));
	if (bench->mode == VARP_CHANNEL_AEAD)
		seal_subkey(&bench->crypt, combo, epoch);
	return VERDICT_OK;
}

/* Text and tag become what is sent. */
static __always_inline int seal_finish(void)
{
	struct bench *bench = bench_get();
	struct crypt *c;

	if (!bench)
		return -1;
	c = &bench->crypt;
	return bench->mode == VARP_CHANNEL_AEAD ? aead_seal(c, crypt_aad(c)->words[5], bench->len)
						: auth_mac(c, bench->len);
}

/*
 * Option and tag behind headers that there is room for now, and the text if it has changed: writing all of it would have
 * the kernel gather the packet into one piece first.
 */
static __noinline int sealed_store(struct __sk_buff *skb, __u32 opt_off, __u64 len)
{
	struct bench *bench = bench_get();
	struct crypt *c;

	if (!bench)
		return -1;
	c = &bench->crypt;
	asm volatile("" : "+r"(len));
	if (len < sizeof(struct iphdr) || len > CRYPT_TEXT_MAX)
		return -1;
	if (bpf_skb_store_bytes(skb, opt_off, c->b + CRYPT_AAD + offsetof(struct channel_aad, opt),
				VARP_GENEVE_KEYED_TAGGED_LEN, 0) ||
	    bpf_skb_store_bytes(skb, opt_off + VARP_GENEVE_KEYED_TAGGED_LEN, c->tag, sizeof(c->tag), 0))
		return -1;
	if (bench->mode != VARP_CHANNEL_AEAD)
		return 0;
	return bpf_skb_store_bytes(skb, opt_off + sizeof(struct varp_geneve_keyed), c->b + CRYPT_TEXT, len, 0);
}

#endif
