/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What arrives in a keyed channel: is it from a member, is it new, and what does it say. Called by decap.h in front of
 * the checks that both kinds of channels share. Until the tag has proved right nothing is remembered of a packet; until
 * a node of ours is found in it, it stays as it came, for it may be another instance's.
 */
#ifndef VARP_BPF_OPEN_H
#define VARP_BPF_OPEN_H

#include "channel.h"
#include "parse.h"
#include "replay.h"

/* Zero but for the keys: what varp_senders begins a sender with. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct varp_sender);
	__uint(max_entries, 1);
} varp_sender_fresh SEC(".maps");

/* The option onto the workbench and apart. The text's place serves the tag until it moves where it is looked for. */
static __always_inline int open_option(struct __sk_buff *skb, struct bench *b)
{
	struct channel_aad *aad = crypt_aad(&b->crypt);
	const __u64 *tag = (const __u64 *)(b->crypt.b + CRYPT_TEXT);

	if (bpf_skb_load_bytes(skb, b->opt_off, &aad->opt, sizeof(aad->opt)))
		return VARP_DROP_RUNT;
	b->tag[0] = tag[0];
	b->tag[1] = tag[1];
	aad->src = b->src;
	aad->dst = b->dst;
	snid_copy(&b->sender.snid, &aad->opt.snid);
	chid_copy(&b->sender.chid, &aad->opt.chid);
	b->sender.epoch = bpf_ntohs(aad->opt.epoch);
	__builtin_memcpy(b->sender.salt, &aad->words[3], sizeof(b->sender.salt));
	b->sender.src = b->src;
	b->mode = aad->opt.mode;
	b->seq = bpf_be64_to_cpu(aad->words[5]);
	return VERDICT_OK;
}

/* The text onto the workbench. Two comparisons of one register: the verifier must see both bounds. */
static __always_inline int open_text(struct __sk_buff *skb, struct bench *b)
{
	__u64 len = b->len;

	asm volatile("" : "+r"(len));
	if (skb->gso_size || len < sizeof(struct iphdr) || len > CRYPT_TEXT_MAX)
		return VARP_DROP_INNER_HEADER;
	return bpf_skb_load_bytes(skb, b->inner_off, b->crypt.b + CRYPT_TEXT, len) ? VARP_DROP_RUNT : VERDICT_OK;
}

static __always_inline const struct varp_combo *sender_combo(const struct bench *b)
{
	return (const struct varp_combo *)&b->sender;
}

static __always_inline struct varp_sender *sender_find(struct bench *b)
{
	struct varp_sender *s = bpf_map_lookup_elem(&varp_senders, &b->sender);

	return s && key_equal(s->key, b->key) ? s : NULL;
}

/*
 * Option, key and text, if this host has the channel and the packet could be new. VERDICT_PASS: it has no such keyed
 * channel.
 */
static __noinline int open_begin(struct __sk_buff *skb, struct bench *b)
{
	struct crypt *c = &b->crypt;
	struct varp_sender *known;
	struct varp_channel *ch;
	struct varp_epoch *e;
	int verdict;

	verdict = open_option(skb, b);
	if (verdict != VERDICT_OK)
		return verdict;
	ch = bpf_map_lookup_elem(&varp_channels, &b->sender);
	if (!ch)
		return VERDICT_PASS;
	if (b->mode != ch->mode)
		return VARP_DROP_CHANNEL_MODE;
	e = epoch_find(ch, b->sender.epoch, bpf_ktime_get_boot_ns());
	if (!e)
		return VARP_DROP_CHANNEL_KEY;
	b->sender.epoch = e->epoch;
	if (!epoch_copy_key(ch, sender_combo(b), e, b->sender.epoch, b->key))
		return VARP_DROP_CHANNEL_KEY;
	key_copy(c->key, b->key);
	known = sender_find(b);
	verdict = known ? replay_look(known, b->seq) : VERDICT_OK;
	if (verdict != VERDICT_OK)
		return verdict;
	if (b->mode == VARP_CHANNEL_AEAD) {
		if (known)
			key_copy(c->key, known->subkey);
		else
			channel_subkey(c, &crypt_aad(c)->words[3]);
	}
	return open_text(skb, b);
}

/* Is the tag right? Then the text is what was sealed. */
static __always_inline bool open_text_with_tag(struct bench *b)
{
	struct crypt *c = &b->crypt;

	if (b->mode != VARP_CHANNEL_AEAD)
		return !auth_mac(c, b->len) && tag_equal(b->tag, c->tag);
	c->tag[0] = b->tag[0];
	c->tag[1] = b->tag[1];
	return !aead_open(c, crypt_aad(c)->words[5], b->len);
}

/*
 * Within what its channel's epoch may have; CPUs that do so at the same time may exceed it by one each. Another may be
 * first, with the same; one of another key is replaced.
 */
static __always_inline void sender_add(struct bench *b)
{
	struct varp_channel *ch = bpf_map_lookup_elem(&varp_channels, &b->sender);
	struct varp_sender *fresh;
	struct varp_epoch *e;
	__u32 zero = 0;

	fresh = bpf_map_lookup_elem(&varp_sender_fresh, &zero);
	if (!ch || !fresh)
		return;
	e = &ch->epochs[b->sender.epoch % VARP_EPOCHS];
	if (e->epoch != b->sender.epoch || e->senders >= VARP_EPOCH_SENDERS)
		return;
	key_copy(fresh->key, b->key);
	key_copy(fresh->subkey, b->crypt.key);
	fresh->ends_ns = e->ends_ns;
	if (bpf_map_lookup_elem(&varp_senders, &b->sender))
		bpf_map_delete_elem(&varp_senders, &b->sender);
	if (!bpf_map_update_elem(&varp_senders, &b->sender, fresh, BPF_NOEXIST))
		__sync_fetch_and_add(&e->senders, 1);
}

/* The tag was right: the packet is taken if it is new, and its sender remembered. */
static __noinline int open_take(struct bench *b)
{
	struct varp_sender *s = sender_find(b);

	if (!s) {
		sender_add(b);
		s = sender_find(b);
	}
	return s ? replay_take(s, b->seq) : VARP_DROP_SENDER_STATE;
}

/* Whom an opened packet is for, by the text on the workbench. False: it has no IP header. */
static __always_inline bool opened_for(const struct bench *b, struct varp_addr *vaddr)
{
	const __u8 *text = b->crypt.b + CRYPT_TEXT;

	if (text[0] >> 4 == 4)
		addr_from_v4(vaddr, *(const word32 *)(text + offsetof(struct iphdr, daddr)));
	else if (text[0] >> 4 == 6 && b->len >= sizeof(struct ipv6hdr))
		addr_from_v6(vaddr, text + offsetof(struct ipv6hdr, daddr));
	else
		return false;
	return true;
}

/* The text in the place of the ciphertext. What a card said about checksums was about the latter. */
static __always_inline int opened_store(struct __sk_buff *skb, const struct bench *b)
{
	__u64 len = b->len;

	asm volatile("" : "+r"(len));
	if (len < sizeof(struct iphdr) || len > CRYPT_TEXT_MAX ||
	    bpf_skb_store_bytes(skb, b->inner_off, b->crypt.b + CRYPT_TEXT, len, BPF_F_RECOMPUTE_CSUM))
		return VARP_DROP_DECAP_FAILED;
	bpf_csum_level(skb, BPF_CSUM_LEVEL_RESET);
	return VERDICT_OK;
}

#endif
