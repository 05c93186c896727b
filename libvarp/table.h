/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's authoritative table: supernets served here with their default ttl, and the mappings
 * the group manager registered. Pure, in memory; the store keeps the durable copy. Used by the
 * engine (lookups) and the daemon (changes, listing).
 *
 * Mappings may be registered for a supernet before it is served, and stay when serving ends (memo,
 * varpd_add and varpd_server_clear).
 */
#ifndef LIBVARP_TABLE_H
#define LIBVARP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/abi.h>

struct varp_table;

struct varp_table_entry {
	struct varp_key key;
	struct varp_addr raddr;
	/* What clients are told; VARPDB_TTL_ALWAYS: the supernet's default */
	int32_t ttl_s;
};

struct varp_table *varp_table_new(void);	/* NULL: out of memory */
void varp_table_free(struct varp_table *table);
void varp_table_clear(struct varp_table *table);

/* 0, -ENOMEM */
int varp_table_server_set(struct varp_table *table, const struct varp_snid *snid, int32_t ttl_s);
/* 0, -ENOENT */
int varp_table_server_clear(struct varp_table *table, const struct varp_snid *snid);
/* Is the supernet served here? Its default ttl goes to *ttl_s unless that is NULL. */
bool varp_table_serves(const struct varp_table *table, const struct varp_snid *snid,
		       int32_t *ttl_s);

/* Overwrites; 0, -ENOMEM */
int varp_table_add(struct varp_table *table, const struct varp_table_entry *entry);
/*
 * For filling a table, into which nothing else has been put, from rows that are sorted by key: does
 * not look whether the entry is there already. Mappings are found once varp_table_append_end() has
 * returned 0; until then nothing else may be done but varp_table_clear(). 0, -ENOMEM, -EINVAL when
 * the key does not come after the one before.
 */
int varp_table_append(struct varp_table *table, const struct varp_table_entry *entry);
int varp_table_append_end(struct varp_table *table);	/* 0, -ENOMEM */
/* 0, -ENOENT. Moves another entry. */
int varp_table_remove(struct varp_table *table, const struct varp_key *key);
/* Valid until the next change of the table. */
const struct varp_table_entry *varp_table_find(const struct varp_table *table,
					       const struct varp_key *key);
/*
 * A hint that changes nothing: the key will be looked for shortly. In a table of a million, waiting
 * for memory is most of a lookup; who knows what comes next does not have to.
 */
void varp_table_prefetch(const struct varp_table *table, const struct varp_key *key);
/* NULL: all */
size_t varp_table_count(const struct varp_table *table, const struct varp_snid *snid);

/*
 * Calls visit for each; stops early when it returns false. The table must not be changed meanwhile.
 */
void varp_table_each(const struct varp_table *table, const struct varp_snid *snid,
		     bool (*visit)(const struct varp_table_entry *entry, void *ctx), void *ctx);
void varp_table_each_server(const struct varp_table *table,
			    bool (*visit)(const struct varp_snid *snid, int32_t ttl_s,
					  size_t mappings, void *ctx), void *ctx);
/* Those that have mappings and are not served: their clients are told so. */
void varp_table_each_unserved(const struct varp_table *table,
			      bool (*visit)(const struct varp_snid *snid, size_t mappings, void *ctx),
			      void *ctx);

#endif
