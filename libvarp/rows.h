/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mappings of one supernet, by vaddr: entries side by side in one array, and an index of eight
 * octets a place that says where in it. A million of them is what this is made for: looking one up
 * touches the index once and the entry once, and growing never copies an entry more than the
 * allocator does. For table.c alone.
 */
#ifndef LIBVARP_ROWS_H
#define LIBVARP_ROWS_H

#include "table.h"

/* All zero: empty. */
struct varp_rows {
	struct varp_table_entry *entries;	/* the first count of room are in use */
	uint64_t *index;			/* places; see rows.c */
	uint32_t count, room;
	uint32_t places;			/* zero, or a power of two */
};

void varp_rows_fini(struct varp_rows *rows);
/* NULL: none. Valid until the next change. */
struct varp_table_entry *varp_rows_find(const struct varp_rows *rows,
					const struct varp_addr *vaddr);
/* It will be looked for shortly: has the processor fetch its place. */
void varp_rows_prefetch(const struct varp_rows *rows, const struct varp_addr *vaddr);
/* Overwrites the entry of the same vaddr; *added tells whether there was none. 0, -ENOMEM */
int varp_rows_put(struct varp_rows *rows, const struct varp_table_entry *entry, bool *added);
/*
 * For filling: there is no entry of this vaddr yet, the caller knows. It is not found, and nothing
 * else may be done, until varp_rows_index() has been called. 0, -ENOMEM
 */
int varp_rows_append(struct varp_rows *rows, const struct varp_table_entry *entry);
int varp_rows_index(struct varp_rows *rows);	/* 0, -ENOMEM */
/* Moves the last entry to where the removed one was. 0, -ENOENT */
int varp_rows_remove(struct varp_rows *rows, const struct varp_addr *vaddr);

#endif
