/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uthash, told not to end the process when memory runs out: an element that could not be added has
 * hh.tbl == NULL.
 */
#ifndef LIBVARP_HASH_H
#define LIBVARP_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/*
 * Every link of a chain is a cache miss: with shorter chains than uthash's 10 a large table is filled
 * a quarter faster. (Much shorter ones make it double its buckets too often, and slower.)
 */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U

#endif
